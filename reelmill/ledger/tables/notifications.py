"""Whom to tell when a batch is done, and whether they were told."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, Uuid, text

from reelmill.ledger.tables.columns import NONE_YET, metadata, moment

notifications = Table(
    "notifications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("batch_id", Uuid, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    Column("url", Text, nullable=False),
    Column(
        "state",
        Text,
        nullable=False,
        server_default=text("'waiting'"),
        comment="waiting (for its batch), due, delivered, or failed (given up)",
    ),
    Column("tries", Integer, nullable=False, server_default=NONE_YET, comment="Deliveries that were begun"),
    moment("next_try_at", nullable=False, default_now=True, comment="Not delivered before"),
    Column("problem", Text, comment="Why the last delivery failed"),
    moment("created_at", nullable=False, default_now=True),
    moment("delivered_at"),
    CheckConstraint("state IN ('waiting', 'due', 'delivered', 'failed')", name="state"),
    CheckConstraint("(state = 'delivered') = (delivered_at IS NOT NULL)", name="delivered"),
    comment="Webhooks: whom to tell when a batch is done, and whether they were told",
)
Index("notifications_batch_url_key", notifications.c.batch_id, notifications.c.url, unique=True)
Index("notifications_open_idx", notifications.c.next_try_at, postgresql_where=text("state IN ('waiting', 'due')"))
