-- Progress: the ten batches submitted last, how far each is, how fast, and when it will be done.
SELECT coalesce(name, batch_id::text) AS batch, created_at, jobs, queued, running, succeeded, failed, cancelled, percent,
    jobs_per_hour, expected_at, finished_at
FROM reelmill.batch_progress
ORDER BY created_at DESC
LIMIT 10;
