CREATE OR REPLACE VIEW reelmill.batch_progress AS
SELECT
    b.id AS batch_id,
    b.name,
    b.created_at,
    counted.jobs,
    counted.queued,
    counted.running,
    counted.succeeded,
    counted.failed,
    counted.cancelled,
    round(100.0 * (counted.jobs - counted.queued - counted.running) / nullif(counted.jobs, 0), 1) AS percent,
    recent.jobs * 4 AS jobs_per_hour,
    CASE WHEN counted.queued + counted.running > 0 AND recent.jobs > 0
        THEN now() + interval '15 minutes' * (counted.queued + counted.running) / recent.jobs END AS expected_at,
    CASE WHEN counted.jobs > 0 AND counted.queued + counted.running = 0
        THEN (SELECT max(j.finished_at) FROM public.jobs AS j WHERE j.batch_id = b.id) END AS finished_at,
    b.labels
FROM public.batches AS b
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs,
        count(*) FILTER (WHERE j.state = 'queued') AS queued,
        count(*) FILTER (WHERE j.state = 'running') AS running,
        count(*) FILTER (WHERE j.state = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE j.state = 'failed') AS failed,
        count(*) FILTER (WHERE j.state = 'cancelled') AS cancelled
    FROM public.jobs AS j WHERE j.batch_id = b.id
) AS counted
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs FROM public.jobs AS j
    WHERE j.batch_id = b.id AND j.finished_at > now() - interval '15 minutes'
) AS recent;

COMMENT ON VIEW reelmill.batch_progress IS
    'How far each batch is. ORDER BY created_at DESC LIMIT n counts only those n.';
COMMENT ON COLUMN reelmill.batch_progress.batch_id IS
    'The batch. Ids rise with the time of submission.';
COMMENT ON COLUMN reelmill.batch_progress.name IS
    'Its name, where it has one.';
COMMENT ON COLUMN reelmill.batch_progress.created_at IS
    'When it was submitted.';
COMMENT ON COLUMN reelmill.batch_progress.jobs IS
    'Jobs in all.';
COMMENT ON COLUMN reelmill.batch_progress.queued IS
    'Jobs that wait.';
COMMENT ON COLUMN reelmill.batch_progress.running IS
    'Jobs that a worker holds now.';
COMMENT ON COLUMN reelmill.batch_progress.succeeded IS
    'Jobs that succeeded: their results are there.';
COMMENT ON COLUMN reelmill.batch_progress.failed IS
    'Jobs that failed: see failed_jobs.';
COMMENT ON COLUMN reelmill.batch_progress.cancelled IS
    'Jobs that were cancelled.';
COMMENT ON COLUMN reelmill.batch_progress.percent IS
    'How much of it has reached its end, in percent of the jobs.';
COMMENT ON COLUMN reelmill.batch_progress.jobs_per_hour IS
    'Jobs that reached their end, per hour, over the last 15 minutes.';
COMMENT ON COLUMN reelmill.batch_progress.expected_at IS
    'When it will be done if it goes on like this; empty once it is, and while nothing moves.';
COMMENT ON COLUMN reelmill.batch_progress.finished_at IS
    'When the last job reached its end; empty before.';
COMMENT ON COLUMN reelmill.batch_progress.labels IS
    'The batch''s labels.';
