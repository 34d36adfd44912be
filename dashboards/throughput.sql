-- Throughput: what each worker finished in each hour of the last day. Time series: hour; one line per worker.
SELECT hour, coalesce(worker_id, 'no worker') AS worker, succeeded, failed, mean_s, prompt_tokens, output_tokens
FROM reelmill.throughput
WHERE hour >= now() - interval '24 hours'
ORDER BY hour, worker;
