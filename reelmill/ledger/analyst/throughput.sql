CREATE OR REPLACE VIEW reelmill.throughput AS
SELECT
    t.hour,
    t.worker_id,
    w.hostname,
    w.device,
    t.succeeded,
    t.failed,
    t.cancelled,
    t.mean_s,
    t.prompt_tokens,
    t.output_tokens
FROM (
    SELECT date_bin('1 hour', j.finished_at, timestamptz '2000-01-01 00:00:00+00') AS hour, j.worker_id,
        count(*) FILTER (WHERE j.state = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE j.state = 'failed') AS failed,
        count(*) FILTER (WHERE j.state = 'cancelled') AS cancelled,
        avg(extract(epoch FROM j.finished_at - j.started_at)::float8) AS mean_s,
        coalesce(sum(j.prompt_tokens), 0) AS prompt_tokens,
        coalesce(sum(j.output_tokens), 0) AS output_tokens
    FROM public.jobs AS j
    WHERE date_bin('1 hour', j.finished_at, timestamptz '2000-01-01 00:00:00+00') IS NOT NULL
    GROUP BY 1, 2
) AS t
LEFT JOIN public.workers AS w ON w.id = t.worker_id;

COMMENT ON VIEW reelmill.throughput IS
    'What each worker finished in each hour. Bound it: WHERE hour >= now() - interval ''24 hours'' reads that day alone.';
COMMENT ON COLUMN reelmill.throughput.hour IS
    'The hour, in which it was finished, begins (UTC).';
COMMENT ON COLUMN reelmill.throughput.worker_id IS
    'The worker; empty where no worker ever held the job.';
COMMENT ON COLUMN reelmill.throughput.hostname IS
    'The worker''s machine.';
COMMENT ON COLUMN reelmill.throughput.device IS
    'What the worker computes on.';
COMMENT ON COLUMN reelmill.throughput.succeeded IS
    'Jobs that succeeded.';
COMMENT ON COLUMN reelmill.throughput.failed IS
    'Jobs that failed.';
COMMENT ON COLUMN reelmill.throughput.cancelled IS
    'Jobs that were cancelled.';
COMMENT ON COLUMN reelmill.throughput.mean_s IS
    'Mean seconds from a worker''s taking a job to its end.';
COMMENT ON COLUMN reelmill.throughput.prompt_tokens IS
    'Tokens of prompts, those of pictures included.';
COMMENT ON COLUMN reelmill.throughput.output_tokens IS
    'Tokens that the model wrote.';
