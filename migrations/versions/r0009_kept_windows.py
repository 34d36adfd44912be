"""Kept windows: what an unfinished job found out of a long video so far, for its next attempt."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
compatible_from = "0006"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE kept_windows (
    job_id uuid NOT NULL,
    segment integer NOT NULL,
    key text NOT NULL,
    document text NOT NULL,
    CONSTRAINT kept_windows_pkey PRIMARY KEY (job_id, segment),
    CONSTRAINT kept_windows_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
COMMENT ON TABLE kept_windows IS
    'Finished windows of videos whose jobs are not finished; the next attempt takes them over. Not for queries';
"""


def upgrade() -> None:
    op.execute(TABLES)
