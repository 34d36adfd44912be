"""Notifications: whom to tell when a batch is done, and whether they were told."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE notifications (
    id uuid NOT NULL,
    batch_id uuid NOT NULL,
    url text NOT NULL,
    state text DEFAULT 'waiting' NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    next_try_at timestamptz DEFAULT now() NOT NULL,
    problem text,
    created_at timestamptz DEFAULT now() NOT NULL,
    delivered_at timestamptz,
    CONSTRAINT notifications_pkey PRIMARY KEY (id),
    CONSTRAINT notifications_state_check CHECK (state IN ('waiting', 'due', 'delivered', 'failed')),
    CONSTRAINT notifications_delivered_check CHECK ((state = 'delivered') = (delivered_at IS NOT NULL)),
    CONSTRAINT notifications_batch_id_fkey FOREIGN KEY(batch_id) REFERENCES batches (id) ON DELETE CASCADE
);
ALTER TABLE schedules ADD COLUMN webhook text;
COMMENT ON COLUMN schedules.webhook IS 'Told when the batch of a run is done';
CREATE UNIQUE INDEX notifications_batch_url_key ON notifications (batch_id, url);
CREATE INDEX notifications_open_idx ON notifications (next_try_at) WHERE state IN ('waiting', 'due');
COMMENT ON TABLE notifications IS 'Webhooks: whom to tell when a batch is done, and whether they were told';
COMMENT ON COLUMN notifications.state IS 'waiting (for its batch), due, delivered, or failed (given up)';
COMMENT ON COLUMN notifications.tries IS 'Deliveries that were begun';
COMMENT ON COLUMN notifications.next_try_at IS 'Not delivered before';
COMMENT ON COLUMN notifications.problem IS 'Why the last delivery failed';
"""


def upgrade() -> None:
    op.execute(TABLES)
