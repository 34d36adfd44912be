-- Failed jobs: the hundred submitted last, with their first object.
SELECT failed_at, uri, error_code, error_message, next_step, attempts, worker_id
FROM reelmill.failed_jobs
ORDER BY job_id DESC
LIMIT 100;
