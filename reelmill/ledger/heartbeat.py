"""The heartbeat: one statement says that a worker and all its jobs are alive, and brings back cancellations."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from reelmill.ledger.database import Database


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """Lease tokens that are still ours, and those of them whose jobs should stop. The others are lost."""

    alive: frozenset[UUID]
    cancelled: frozenset[UUID]


# Rows are locked in the order of their ids, as `cancel` does: two that lock many rows cannot wait for each other.
_EXTEND = text(
    """
    WITH seen AS (
        UPDATE workers SET last_seen_at = now(), retired_at = NULL WHERE id = :worker_id
    ), held AS (
        SELECT id FROM jobs
        WHERE state = 'running' AND worker_id = :worker_id AND lease_token = ANY(:tokens)
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE jobs SET lease_s = :lease_s, lease_expires_at = now() + make_interval(secs => :lease_s)
    FROM held WHERE jobs.id = held.id
    RETURNING jobs.lease_token, jobs.cancel_requested_at IS NOT NULL AS cancelled
    """
)


def heartbeat(db: Database, worker_id: str, tokens: Collection[UUID], *, lease_s: float) -> HeartbeatReply:
    """Extend the leases with these tokens to `lease_s` seconds from now, by the database's clock."""
    values = {"worker_id": worker_id, "tokens": list(tokens), "lease_s": lease_s}
    with db.statement() as connection:
        rows = connection.execute(_EXTEND, values).all()
    return HeartbeatReply(
        alive=frozenset(row.lease_token for row in rows),
        cancelled=frozenset(row.lease_token for row in rows if row.cancelled),
    )
