"""Purged: what remains of purged jobs, so that the next run over an archive does not answer the same objects again."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
compatible_from = "0006"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE purged_fingerprints (
    fingerprint uuid NOT NULL,
    state text NOT NULL,
    purged_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT purged_fingerprints_pkey PRIMARY KEY (fingerprint),
    CONSTRAINT purged_fingerprints_state_check CHECK (state IN ('succeeded', 'failed'))
);
COMMENT ON TABLE purged_fingerprints IS
    'Jobs that were purged: a run over an archive leaves their objects out, as it does those of jobs that are there';
COMMENT ON COLUMN purged_fingerprints.fingerprint IS 'Hash of the object, its version and what was asked';
COMMENT ON COLUMN purged_fingerprints.state IS 'How the job had ended: succeeded, or failed for good';
"""


def upgrade() -> None:
    op.execute(TABLES)
