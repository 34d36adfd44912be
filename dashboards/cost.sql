-- Cost: GPU-seconds and tokens of the latest batch. Reads every job of the batches that it shows: about 4 s per million.
SELECT coalesce(name, batch_id::text) AS batch, created_at, jobs, gpu_s, gpu_s / nullif(jobs, 0) AS gpu_s_per_job,
    fetch_s, decode_s, wait_s, vision_s, prefill_s, generate_s, write_s, prompt_tokens, output_tokens
FROM reelmill.batch_costs
ORDER BY created_at DESC
LIMIT 1;
