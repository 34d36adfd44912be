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


def upgrade() -> None:
    op.execute(TABLES)
