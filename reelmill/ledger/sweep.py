"""Sweeping: jobs whose worker fell silent go back into the line, or are convicted of killing workers."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from reelmill.ledger.database import Database
from reelmill.schema import JobState

MAX_CRASHES = 4
"""Twice lost among neighbours, once in a small group, once alone."""
SWEEP_LIMIT = 1000
"""Most leases taken back by one statement; the next round takes the rest."""
HOUSEKEEPING_LOCK = 0x7265_656C_6D69_6702
"""An advisory lock of our own: "reelmig" in hexadecimal, and a number."""

CONVICTED = "Every worker that took this job was lost, the last one while it worked on nothing else"
CONVICTED_ADVICE = "Look at the media and the workers' logs; then retry it, on a worker with more memory perhaps"


@dataclass(frozen=True, slots=True)
class SweepReport:
    """How many jobs lost their worker, by what became of them."""

    requeued: int
    failed: int
    cancelled: int


# One conditional UPDATE, by database time. A lease cannot have been extended while Postgres was down, so that it
# counts from the server's start at the earliest.
_SWEEP = text(
    """
    WITH expired AS (
        SELECT id FROM jobs
        WHERE state = 'running' AND lease_expires_at < now()
          AND pg_postmaster_start_time() + make_interval(secs => lease_s) < now()
        LIMIT :most
        FOR NO KEY UPDATE SKIP LOCKED
    ), swept AS (
        UPDATE jobs
        SET crashes = crashes + 1, lease_token = NULL, lease_expires_at = NULL, queued_at = now(),
            state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                         WHEN crashes + 1 >= :max_crashes THEN 'failed' ELSE 'queued' END,
            finished_at = CASE WHEN cancel_requested_at IS NOT NULL OR crashes + 1 >= :max_crashes THEN now() END,
            error_code = CASE WHEN cancel_requested_at IS NULL AND crashes + 1 >= :max_crashes
                              THEN 'worker_lost' END,
            error_message = CASE WHEN cancel_requested_at IS NULL AND crashes + 1 >= :max_crashes
                                 THEN :message END,
            error_next_step = CASE WHEN cancel_requested_at IS NULL AND crashes + 1 >= :max_crashes
                                   THEN :advice END
        FROM expired WHERE jobs.id = expired.id
        RETURNING jobs.id, attempt, state
    ), noted AS (
        UPDATE attempts
        SET outcome = 'lost', finished_at = now(), error_code = 'worker_lost',
            error_message = 'the lease ran out: the worker crashed, was killed, or could not reach the database'
        FROM swept WHERE job_id = swept.id AND attempts.attempt = swept.attempt
    )
    SELECT state, count(*) AS jobs FROM swept GROUP BY state
    """
)


def sweep(db: Database) -> SweepReport:
    """Take back every lease that ran out: one more crash; queued again, failed after the last, or cancelled."""
    with db.statement() as connection:
        return _sweep(connection)


def sweep_elected(db: Database) -> SweepReport | None:
    """`sweep`, by one process at a time. None: another one is at it."""
    with db.transaction() as connection:
        return _sweep(connection) if housekeeping_lock(connection) else None


def housekeeping_lock(connection: Connection) -> bool:
    """Whether this transaction is the elected housekeeper; safe behind a pooler, gone with the transaction."""
    return bool(connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": HOUSEKEEPING_LOCK}))


def _sweep(connection: Connection) -> SweepReport:
    values = {"max_crashes": MAX_CRASHES, "most": SWEEP_LIMIT, "message": CONVICTED, "advice": CONVICTED_ADVICE}
    counts = {row.state: row.jobs for row in connection.execute(_SWEEP, values)}
    return SweepReport(
        requeued=counts.get(JobState.QUEUED, 0),
        failed=counts.get(JobState.FAILED, 0),
        cancelled=counts.get(JobState.CANCELLED, 0),
    )
