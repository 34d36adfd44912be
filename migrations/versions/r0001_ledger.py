"""The ledger: batches, jobs and their attempts; media, segments, captions, answers, boxes; workers and models."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE batches (
    id uuid NOT NULL,
    name text,
    labels jsonb DEFAULT '{}' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT batches_pkey PRIMARY KEY (id)
);
CREATE TABLE jobs (
    id uuid NOT NULL,
    batch_id uuid,
    model text NOT NULL,
    state text DEFAULT 'queued' NOT NULL,
    priority smallint DEFAULT 0 NOT NULL,
    run_at timestamptz DEFAULT now() NOT NULL,
    tasks jsonb NOT NULL,
    sampling jsonb NOT NULL,
    generation jsonb NOT NULL,
    labels jsonb DEFAULT '{}' NOT NULL,
    client_token text,
    attempt integer DEFAULT 0 NOT NULL,
    transient_failures integer DEFAULT 0 NOT NULL,
    crashes integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 5 NOT NULL,
    lease_token uuid,
    lease_expires_at timestamptz,
    lease_s double precision,
    worker_id text,
    cancel_requested_at timestamptz,
    error_code text,
    error_message text,
    error_next_step text,
    created_at timestamptz DEFAULT now() NOT NULL,
    queued_at timestamptz DEFAULT now() NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    fetch_s double precision,
    decode_s double precision,
    wait_s double precision,
    vision_s double precision,
    generate_s double precision,
    prompt_tokens integer,
    output_tokens integer,
    CONSTRAINT jobs_pkey PRIMARY KEY (id),
    CONSTRAINT jobs_state_check CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT jobs_lease_check CHECK ((state = 'running') = (lease_token IS NOT NULL)),
    CONSTRAINT jobs_lease_expiry_check CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT jobs_error_check CHECK ((state = 'failed') = (error_code IS NOT NULL)),
    CONSTRAINT jobs_batch_id_fkey FOREIGN KEY(batch_id) REFERENCES batches (id) ON DELETE CASCADE
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX jobs_batch_idx ON jobs (batch_id, state, id);
CREATE INDEX jobs_claim_idx ON jobs (model, priority DESC, run_at, id) WHERE state = 'queued';
CREATE UNIQUE INDEX jobs_client_token_key ON jobs (client_token);
CREATE INDEX jobs_created_at_idx ON jobs (created_at);
CREATE INDEX jobs_running_idx ON jobs (worker_id) WHERE state = 'running';
CREATE INDEX jobs_suspects_idx ON jobs (model) WHERE state = 'queued' AND crashes >= 2;
CREATE TABLE attempts (
    job_id uuid NOT NULL,
    attempt integer NOT NULL,
    worker_id text NOT NULL,
    started_at timestamptz DEFAULT now() NOT NULL,
    finished_at timestamptz,
    outcome text DEFAULT 'running' NOT NULL,
    error_code text,
    error_message text,
    CONSTRAINT attempts_pkey PRIMARY KEY (job_id, attempt),
    CONSTRAINT attempts_outcome_check CHECK (
        outcome IN ('running', 'succeeded', 'failed', 'retried', 'released', 'lost', 'cancelled')
    ),
    CONSTRAINT attempts_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE media (
    job_id uuid NOT NULL,
    ordinal integer NOT NULL,
    uri text NOT NULL,
    etag text,
    version_id text,
    size_bytes bigint,
    sha256 text,
    kind text,
    format text,
    codec text,
    width integer,
    height integer,
    frame_count integer,
    duration_s double precision,
    fps double precision,
    decode_errors integer,
    CONSTRAINT media_pkey PRIMARY KEY (job_id, ordinal),
    CONSTRAINT media_kind_check CHECK (kind IN ('image', 'video')),
    CONSTRAINT media_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE INDEX media_uri_idx ON media (uri text_pattern_ops);
CREATE TABLE segments (
    job_id uuid NOT NULL,
    ordinal integer NOT NULL,
    start_s double precision,
    end_s double precision,
    frame_media integer[] NOT NULL,
    frame_indices integer[] NOT NULL,
    frame_timestamps_s double precision[] NOT NULL,
    tile_counts integer[] NOT NULL,
    CONSTRAINT segments_pkey PRIMARY KEY (job_id, ordinal),
    CONSTRAINT segments_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE captions (
    job_id uuid NOT NULL,
    segment integer NOT NULL,
    task integer NOT NULL,
    text text NOT NULL,
    raw_text text NOT NULL,
    finish_reason text NOT NULL,
    prompt_tokens integer NOT NULL,
    output_tokens integer NOT NULL,
    CONSTRAINT captions_pkey PRIMARY KEY (job_id, segment, task),
    CONSTRAINT captions_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE answers (
    job_id uuid NOT NULL,
    segment integer NOT NULL,
    task integer NOT NULL,
    ordinal integer NOT NULL,
    question text NOT NULL,
    text text NOT NULL,
    raw_text text NOT NULL,
    finish_reason text NOT NULL,
    prompt_tokens integer NOT NULL,
    output_tokens integer NOT NULL,
    CONSTRAINT answers_pkey PRIMARY KEY (job_id, segment, task, ordinal),
    CONSTRAINT answers_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE groundings (
    job_id uuid NOT NULL,
    segment integer NOT NULL,
    task integer NOT NULL,
    ordinal integer NOT NULL,
    phrase text NOT NULL,
    media_ordinal integer NOT NULL,
    frame_index integer NOT NULL,
    timestamp_s double precision,
    tile_count integer NOT NULL,
    status text NOT NULL,
    problem text,
    text text NOT NULL,
    raw_text text NOT NULL,
    finish_reason text NOT NULL,
    prompt_tokens integer NOT NULL,
    output_tokens integer NOT NULL,
    CONSTRAINT groundings_pkey PRIMARY KEY (job_id, segment, task, ordinal),
    CONSTRAINT groundings_status_check CHECK (status IN ('found', 'absent', 'malformed')),
    CONSTRAINT groundings_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE boxes (
    job_id uuid NOT NULL,
    segment integer NOT NULL,
    task integer NOT NULL,
    grounding integer NOT NULL,
    ordinal integer NOT NULL,
    phrase text NOT NULL,
    label text NOT NULL,
    media_ordinal integer NOT NULL,
    frame_index integer NOT NULL,
    timestamp_s double precision,
    x1 double precision NOT NULL,
    y1 double precision NOT NULL,
    x2 double precision NOT NULL,
    y2 double precision NOT NULL,
    x1_px double precision NOT NULL,
    y1_px double precision NOT NULL,
    x2_px double precision NOT NULL,
    y2_px double precision NOT NULL,
    CONSTRAINT boxes_pkey PRIMARY KEY (job_id, segment, task, grounding, ordinal),
    CONSTRAINT boxes_grounding_fkey FOREIGN KEY (job_id, segment, task, grounding)
        REFERENCES groundings (job_id, segment, task, ordinal) ON DELETE CASCADE
);
CREATE TABLE workers (
    id text NOT NULL,
    hostname text NOT NULL,
    pid integer NOT NULL,
    model text NOT NULL,
    device text NOT NULL,
    concurrency integer NOT NULL,
    version text NOT NULL,
    started_at timestamptz DEFAULT now() NOT NULL,
    last_seen_at timestamptz DEFAULT now() NOT NULL,
    retired_at timestamptz,
    CONSTRAINT workers_pkey PRIMARY KEY (id)
);
CREATE TABLE models (
    name text NOT NULL,
    path text NOT NULL,
    revision text,
    family text NOT NULL,
    dtype text NOT NULL,
    first_served_at timestamptz DEFAULT now() NOT NULL,
    last_served_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT models_pkey PRIMARY KEY (name)
);
"""


def upgrade() -> None:
    op.execute(TABLES)
