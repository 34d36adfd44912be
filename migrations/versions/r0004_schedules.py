"""Schedules: cron, prefix and job template, and what became of each time that one was due."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE schedules (
    id uuid NOT NULL,
    name text NOT NULL,
    cron text NOT NULL,
    timezone text NOT NULL,
    archive jsonb NOT NULL,
    overlap text NOT NULL,
    catch_up text NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    paused_at timestamptz,
    next_run_at timestamptz,
    problem text,
    CONSTRAINT schedules_pkey PRIMARY KEY (id),
    CONSTRAINT schedules_name_key UNIQUE (name),
    CONSTRAINT schedules_overlap_check CHECK (overlap IN ('skip', 'allow')),
    CONSTRAINT schedules_catch_up_check CHECK (catch_up IN ('latest', 'none', 'all')),
    CONSTRAINT schedules_paused_check CHECK ((paused_at IS NULL) = (next_run_at IS NOT NULL))
);
COMMENT ON TABLE schedules IS 'What is run again and again: cron, prefix and job template';
COMMENT ON COLUMN schedules.name IS 'Unique, for people';
COMMENT ON COLUMN schedules.cron IS 'Five fields, or a nickname like @daily';
COMMENT ON COLUMN schedules.timezone IS 'Whose clocks the cron expression follows (IANA name)';
COMMENT ON COLUMN schedules.archive IS 'The prefix, and what is asked of the objects in it';
COMMENT ON COLUMN schedules.overlap IS 'What a run does when the last batch is not done: skip or allow';
COMMENT ON COLUMN schedules.catch_up IS 'Which missed runs are made up for: latest, none or all';
COMMENT ON COLUMN schedules.paused_at IS 'Since when it is paused; null while it runs';
COMMENT ON COLUMN schedules.next_run_at IS 'When it is due next; null while it is paused';
COMMENT ON COLUMN schedules.problem IS 'Why its last run could not be started; null when all is well';
CREATE TABLE schedule_runs (
    schedule_id uuid NOT NULL,
    tick_at timestamptz NOT NULL,
    outcome text NOT NULL,
    reason text,
    ticks integer DEFAULT 1 NOT NULL,
    by_hand boolean DEFAULT false NOT NULL,
    batch_id uuid,
    recorded_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT schedule_runs_pkey PRIMARY KEY (schedule_id, tick_at),
    CONSTRAINT schedule_runs_outcome_check CHECK (outcome IN ('started', 'skipped')),
    CONSTRAINT schedule_runs_reason_check CHECK ((outcome = 'skipped') = (reason IS NOT NULL)),
    CONSTRAINT schedule_runs_known_reason_check CHECK (reason IN ('missed', 'overlap')),
    CONSTRAINT schedule_runs_schedule_id_fkey FOREIGN KEY(schedule_id) REFERENCES schedules (id) ON DELETE CASCADE,
    CONSTRAINT schedule_runs_batch_id_fkey FOREIGN KEY(batch_id) REFERENCES batches (id) ON DELETE SET NULL
);
CREATE INDEX schedule_runs_batch_idx ON schedule_runs (batch_id);
COMMENT ON TABLE schedule_runs IS 'What became of each time that a schedule was due';
COMMENT ON COLUMN schedule_runs.tick_at IS 'When it was due; of several skipped together the first';
COMMENT ON COLUMN schedule_runs.outcome IS 'started or skipped';
COMMENT ON COLUMN schedule_runs.reason IS 'Why it was skipped: missed or overlap';
COMMENT ON COLUMN schedule_runs.ticks IS 'Times that this row stands for';
COMMENT ON COLUMN schedule_runs.by_hand IS 'Started by run-now';
COMMENT ON COLUMN schedule_runs.batch_id IS 'Null also once it was deleted';
"""

VIEW = """
CREATE SCHEMA IF NOT EXISTS reelmill;
CREATE VIEW reelmill.schedule_history AS
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
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(VIEW)
