"""Summaries: what the captions of a video's parts come to, a row of its own."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
compatible_from = "0006"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE summaries (
    job_id uuid NOT NULL,
    task integer NOT NULL,
    captions integer NOT NULL,
    requests integer NOT NULL,
    text text NOT NULL,
    raw_text text NOT NULL,
    finish_reason text NOT NULL,
    prompt_tokens integer NOT NULL,
    output_tokens integer NOT NULL,
    CONSTRAINT summaries_pkey PRIMARY KEY (job_id, task),
    CONSTRAINT summaries_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
COMMENT ON COLUMN summaries.captions IS 'How many captions of the video''s parts it sums up';
COMMENT ON COLUMN summaries.requests IS 'How many prompts it took; tokens are those of all of them';
"""


def upgrade() -> None:
    op.execute(TABLES)
