"""Archives: scans that go on where they were cut off, fingerprints of jobs, keys answered by another one's job."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE scans (
    id uuid NOT NULL,
    batch_id uuid NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    model text NOT NULL,
    spec jsonb NOT NULL,
    state text DEFAULT 'queued' NOT NULL,
    cursor text,
    listed bigint DEFAULT 0 NOT NULL,
    matched bigint DEFAULT 0 NOT NULL,
    accepted bigint DEFAULT 0 NOT NULL,
    accepted_bytes bigint DEFAULT 0 NOT NULL,
    skipped jsonb DEFAULT '{}' NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    lease_token uuid,
    lease_expires_at timestamptz,
    lease_s double precision,
    worker_id text,
    error_code text,
    error_message text,
    error_next_step text,
    run_at timestamptz DEFAULT now() NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT scans_pkey PRIMARY KEY (id),
    CONSTRAINT scans_kind_check CHECK (kind IN ('prefix', 'manifest', 'openai')),
    CONSTRAINT scans_state_check CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT scans_lease_check CHECK ((state = 'running') = (lease_token IS NOT NULL)),
    CONSTRAINT scans_lease_expiry_check CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT scans_error_check CHECK ((state = 'failed') = (error_code IS NOT NULL)),
    CONSTRAINT scans_batch_id_fkey FOREIGN KEY(batch_id) REFERENCES batches (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX scans_batch_id_key ON scans (batch_id);
CREATE INDEX scans_open_idx ON scans (run_at) WHERE state IN ('queued', 'running');
CREATE TABLE scan_problems (
    scan_id uuid NOT NULL,
    line bigint NOT NULL,
    subject text,
    message text NOT NULL,
    CONSTRAINT scan_problems_pkey PRIMARY KEY (scan_id, line),
    CONSTRAINT scan_problems_scan_id_fkey FOREIGN KEY(scan_id) REFERENCES scans (id) ON DELETE CASCADE
);
CREATE TABLE duplicates (
    job_id uuid NOT NULL,
    uri text NOT NULL,
    etag text,
    version_id text,
    size_bytes bigint,
    CONSTRAINT duplicates_pkey PRIMARY KEY (job_id, uri),
    CONSTRAINT duplicates_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE INDEX duplicates_uri_idx ON duplicates (uri text_pattern_ops);
ALTER TABLE jobs ADD COLUMN fingerprint uuid;
CREATE INDEX jobs_fingerprint_idx ON jobs (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE UNIQUE INDEX jobs_active_fingerprint_key ON jobs (fingerprint) WHERE state IN ('queued', 'running');
"""


def upgrade() -> None:
    op.execute(TABLES)
