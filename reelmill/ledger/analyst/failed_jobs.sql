CREATE OR REPLACE VIEW reelmill.failed_jobs AS
SELECT
    m.uri,
    j.error_code,
    j.error_message,
    j.error_next_step AS next_step,
    j.attempt AS attempts,
    j.crashes,
    j.worker_id,
    j.finished_at AS failed_at,
    j.model,
    j.labels,
    j.batch_id,
    b.name AS batch_name,
    j.id AS job_id
FROM public.jobs AS j
LEFT JOIN public.media AS m ON m.job_id = j.id AND m.ordinal = 0
LEFT JOIN public.batches AS b ON b.id = j.batch_id
WHERE j.state = 'failed';

COMMENT ON VIEW reelmill.failed_jobs IS
    'Every job that failed, with its first object, the reason and what to do.';
COMMENT ON COLUMN reelmill.failed_jobs.uri IS
    'The object, as it was submitted.';
COMMENT ON COLUMN reelmill.failed_jobs.error_code IS
    'The kind of error, a stable word.';
COMMENT ON COLUMN reelmill.failed_jobs.error_message IS
    'What happened.';
COMMENT ON COLUMN reelmill.failed_jobs.next_step IS
    'What to do about it.';
COMMENT ON COLUMN reelmill.failed_jobs.attempts IS
    'How often a worker took the job.';
COMMENT ON COLUMN reelmill.failed_jobs.crashes IS
    'How often its worker died of something meanwhile.';
COMMENT ON COLUMN reelmill.failed_jobs.worker_id IS
    'The worker that had it last.';
COMMENT ON COLUMN reelmill.failed_jobs.failed_at IS
    'When it failed.';
COMMENT ON COLUMN reelmill.failed_jobs.model IS
    'The name that the model was served under.';
COMMENT ON COLUMN reelmill.failed_jobs.labels IS
    'The job''s labels.';
COMMENT ON COLUMN reelmill.failed_jobs.batch_id IS
    'The batch of the job; empty for a job that was submitted alone.';
COMMENT ON COLUMN reelmill.failed_jobs.batch_name IS
    'The name of the batch, where it has one.';
COMMENT ON COLUMN reelmill.failed_jobs.job_id IS
    'The job. Ids rise with the time of submission: job_id >= reelmill.id_at(now() - interval ''7 days'') is the quick way to the last week.';
