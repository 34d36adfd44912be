CREATE OR REPLACE VIEW reelmill.schedule_history AS
SELECT s.name AS schedule, r.tick_at,
       CASE WHEN r.outcome = 'skipped' THEN 'skipped'
            WHEN r.batch_id IS NULL THEN 'deleted'
            WHEN scan.state IN ('queued', 'running') THEN 'scanning'
            WHEN j.queued + j.running > 0 THEN 'working'
            WHEN scan.state IN ('failed', 'cancelled') THEN scan.state
            ELSE 'done' END AS state,
       r.reason, r.ticks, r.by_hand, r.batch_id,
       scan.listed, scan.accepted,
       (SELECT coalesce(sum(value::bigint), 0)::bigint FROM jsonb_each_text(scan.skipped)) AS skipped,
       scan.skipped AS skipped_by_reason,
       j.queued, j.running, j.succeeded, j.failed, j.cancelled,
       r.recorded_at, greatest(scan.finished_at, j.finished_at) AS ended_at,
       scan.error_code, scan.error_message
FROM schedule_runs r
JOIN schedules s ON s.id = r.schedule_id
LEFT JOIN scans scan ON scan.batch_id = r.batch_id
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
           count(*) FILTER (WHERE state = 'running') AS running,
           count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
           max(finished_at) AS finished_at
    FROM jobs WHERE jobs.batch_id = r.batch_id
) AS j ON true;
COMMENT ON VIEW reelmill.schedule_history IS
    'What became of each time that a schedule was due: which batch, what its scan found, how its jobs ended';
COMMENT ON COLUMN reelmill.schedule_history.schedule IS 'Name of the schedule';
COMMENT ON COLUMN reelmill.schedule_history.tick_at IS 'When it was due; of several skipped together the first';
COMMENT ON COLUMN reelmill.schedule_history.state IS
    'skipped, scanning, working, done, failed or cancelled (its scan), deleted (its batch is gone)';
COMMENT ON COLUMN reelmill.schedule_history.reason IS
    'Why it was skipped: missed (nobody did housekeeping) or overlap (the last batch was not done)';
COMMENT ON COLUMN reelmill.schedule_history.ticks IS 'Times that this row stands for';
COMMENT ON COLUMN reelmill.schedule_history.by_hand IS 'Started by run-now';
COMMENT ON COLUMN reelmill.schedule_history.batch_id IS 'Its batch; null when skipped, and once it was deleted';
COMMENT ON COLUMN reelmill.schedule_history.listed IS 'Objects that the scan saw';
COMMENT ON COLUMN reelmill.schedule_history.accepted IS 'Objects that became jobs';
COMMENT ON COLUMN reelmill.schedule_history.skipped IS 'Objects that became none';
COMMENT ON COLUMN reelmill.schedule_history.skipped_by_reason IS 'The same, by reason';
COMMENT ON COLUMN reelmill.schedule_history.queued IS 'Jobs of the batch that wait';
COMMENT ON COLUMN reelmill.schedule_history.running IS 'Jobs of the batch that are worked';
COMMENT ON COLUMN reelmill.schedule_history.succeeded IS 'Jobs of the batch that succeeded';
COMMENT ON COLUMN reelmill.schedule_history.failed IS 'Jobs of the batch that failed';
COMMENT ON COLUMN reelmill.schedule_history.cancelled IS 'Jobs of the batch that were cancelled';
COMMENT ON COLUMN reelmill.schedule_history.recorded_at IS 'When the run was started, or noted as skipped';
COMMENT ON COLUMN reelmill.schedule_history.ended_at IS 'When scan and jobs had last ended; may still rise';
COMMENT ON COLUMN reelmill.schedule_history.error_code IS 'Why the scan failed';
COMMENT ON COLUMN reelmill.schedule_history.error_message IS 'The same in a sentence';
