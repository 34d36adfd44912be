-- Failures: the most frequent reasons, each with the latest example and what to do about it.
SELECT error_code, coalesce(batch_name, batch_id::text) AS batch, jobs, latest_at, example_uri, example_message, next_step
FROM reelmill.failures
ORDER BY jobs DESC, latest_at DESC
LIMIT 20;
