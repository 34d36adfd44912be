CREATE OR REPLACE VIEW reelmill.failures AS
SELECT
    counted.batch_id,
    b.name AS batch_name,
    counted.error_code,
    counted.jobs,
    j.finished_at AS latest_at,
    m.uri AS example_uri,
    j.error_message AS example_message,
    j.error_next_step AS next_step,
    j.id AS example_job_id
FROM (
    -- Answered from jobs_failed_idx alone.
    SELECT f.batch_id, f.error_code, count(*) AS jobs, (array_agg(f.id ORDER BY f.id DESC))[1] AS example
    FROM public.jobs AS f WHERE f.state = 'failed' GROUP BY f.batch_id, f.error_code
) AS counted
JOIN public.jobs AS j ON j.id = counted.example
LEFT JOIN public.media AS m ON m.job_id = counted.example AND m.ordinal = 0
LEFT JOIN public.batches AS b ON b.id = counted.batch_id;

COMMENT ON VIEW reelmill.failures IS
    'Why jobs failed: a row per batch and error code, with the latest example and what to do.';
COMMENT ON COLUMN reelmill.failures.batch_id IS
    'The batch of the job; empty for a job that was submitted alone.';
COMMENT ON COLUMN reelmill.failures.batch_name IS
    'The name of the batch, where it has one.';
COMMENT ON COLUMN reelmill.failures.error_code IS
    'The kind of error, a stable word.';
COMMENT ON COLUMN reelmill.failures.jobs IS
    'How many jobs failed with it and stand so.';
COMMENT ON COLUMN reelmill.failures.latest_at IS
    'When the job submitted last among them failed.';
COMMENT ON COLUMN reelmill.failures.example_uri IS
    'The first object of that job.';
COMMENT ON COLUMN reelmill.failures.example_message IS
    'What happened to it.';
COMMENT ON COLUMN reelmill.failures.next_step IS
    'What to do about it.';
COMMENT ON COLUMN reelmill.failures.example_job_id IS
    'That job.';
