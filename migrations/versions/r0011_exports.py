"""Exports: batches that leave their results as files below a prefix, and how far each is."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
compatible_from = "0006"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE exports (
    id uuid NOT NULL,
    batch_id uuid NOT NULL,
    prefix text NOT NULL,
    format text NOT NULL,
    state text DEFAULT 'waiting' NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    next_try_at timestamptz DEFAULT now() NOT NULL,
    due_at timestamptz,
    as_of timestamptz,
    cursor uuid,
    files jsonb DEFAULT '[]' NOT NULL,
    worker_id text,
    lease_token uuid,
    lease_s double precision,
    lease_expires_at timestamptz,
    error_code text,
    error_message text,
    error_next_step text,
    created_at timestamptz DEFAULT now() NOT NULL,
    finished_at timestamptz,
    CONSTRAINT exports_pkey PRIMARY KEY (id),
    CONSTRAINT exports_format_check CHECK (format IN ('parquet', 'jsonl')),
    CONSTRAINT exports_state_check CHECK (state IN ('waiting', 'due', 'running', 'succeeded', 'failed')),
    CONSTRAINT exports_lease_check CHECK ((state = 'running') = (lease_token IS NOT NULL)),
    CONSTRAINT exports_finished_check CHECK ((state IN ('succeeded', 'failed')) = (finished_at IS NOT NULL)),
    CONSTRAINT exports_batch_id_fkey FOREIGN KEY(batch_id) REFERENCES batches (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX exports_batch_prefix_key ON exports (batch_id, prefix);
CREATE INDEX exports_open_idx ON exports (next_try_at) WHERE state IN ('waiting', 'due', 'running');
COMMENT ON TABLE exports IS 'Where batches leave their results as files, and how far that is';
COMMENT ON COLUMN exports.prefix IS 'The files lie below it, in the folder batch=ID/';
COMMENT ON COLUMN exports.state IS 'waiting (for its batch), due, running, succeeded, or failed (given up)';
COMMENT ON COLUMN exports.tries IS 'Claims since a file was added last';
COMMENT ON COLUMN exports.next_try_at IS 'Not claimed before';
COMMENT ON COLUMN exports.due_at IS 'When its batch was seen to be done';
COMMENT ON COLUMN exports.as_of IS 'Jobs that succeeded until then are in it: the first claim';
COMMENT ON COLUMN exports.cursor IS 'The last job in the files that are written';
COMMENT ON COLUMN exports.files IS 'Files that are written: name, jobs, rows, bytes';
ALTER TABLE schedules ADD COLUMN export_to text;
ALTER TABLE schedules ADD COLUMN export_format text;
COMMENT ON COLUMN schedules.export_to IS 'Each run leaves its results below this prefix';
COMMENT ON COLUMN schedules.export_format IS 'parquet or jsonl';
"""


def upgrade() -> None:
    op.execute(TABLES)
