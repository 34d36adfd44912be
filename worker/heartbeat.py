"""One statement extends the leases of all jobs of this worker, and brings back what was cancelled or lost."""

from __future__ import annotations

from reelmill.ledger.database import Database
from reelmill.ledger.heartbeat import heartbeat
from worker.leases import Leases
from worker.pulse import Pulse


def beat(database: Database, worker_id: str, leases: Leases, lease_s: float, pulse: Pulse | None = None) -> None:
    """Extend the leases; stop jobs that were cancelled, or that belong to somebody else by now."""
    tokens = leases.tokens()
    reply = heartbeat(database, worker_id, tokens, lease_s=lease_s)
    if pulse is not None:
        pulse.saw_database()
    leases.stop(reply.cancelled, "cancelled")
    leases.stop(set(tokens) - reply.alive - reply.cancelled, "lost")
