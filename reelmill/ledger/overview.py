"""What stands at the top of a page: batches with their progress, and why jobs of one failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from reelmill.errors import NotFoundError
from reelmill.ledger.database import Database


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A batch and how far it is.

    Attributes:
        jobs_per_hour: as fast as in the last quarter of an hour.
        expected_at: when it will be done at that speed; None where nothing waits or nothing moves.
        scanning: its archive is still being listed, more jobs may come.
    """

    batch_id: UUID
    name: str | None
    created_at: datetime
    jobs: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    jobs_per_hour: int
    expected_at: datetime | None
    finished_at: datetime | None
    labels: dict[str, str]
    scanning: bool

    @property
    def going(self) -> bool:
        """Whether its numbers will still change."""
        return self.scanning or self.queued + self.running > 0


@dataclass(frozen=True, slots=True)
class Failure:
    """So many jobs of a batch failed with this error."""

    error_code: str
    jobs: int


_PROGRESS = """
    SELECT batch_id, name, created_at, jobs, queued, running, succeeded, failed, cancelled, jobs_per_hour, expected_at,
           finished_at, labels,
           EXISTS (SELECT FROM scans
                   WHERE scans.batch_id = seen.batch_id AND scans.state IN ('queued', 'running')) AS scanning
    FROM reelmill.batch_progress AS seen
"""


def latest_batches(db: Database, *, most: int, before: UUID | None = None) -> tuple[BatchProgress, ...]:
    """Batches, newest first; `before`: those that were submitted before this one."""
    which = "WHERE batch_id < :before" if before else ""
    return _progress(db, f"{_PROGRESS} {which} ORDER BY batch_id DESC LIMIT :most", most=most, before=before)


def batch_progress(db: Database, batch_id: UUID) -> BatchProgress:
    """One batch. Raises NotFoundError."""
    for found in _progress(db, f"{_PROGRESS} WHERE batch_id = :batch_id", batch_id=batch_id):
        return found
    raise NotFoundError("there is no such batch", subject=str(batch_id))


def failures(db: Database, batch_id: UUID) -> tuple[Failure, ...]:
    """Why jobs of a batch failed, the most frequent reason first."""
    statement = text(
        "SELECT error_code, jobs FROM reelmill.failures WHERE batch_id = :batch_id ORDER BY jobs DESC, error_code"
    )
    with db.statement() as connection:
        return tuple(Failure(**row) for row in connection.execute(statement, {"batch_id": batch_id}).mappings())


def _progress(db: Database, statement: str, **values: Any) -> tuple[BatchProgress, ...]:
    given = {name: value for name, value in values.items() if value is not None}
    with db.statement() as connection:
        return tuple(BatchProgress(**row) for row in connection.execute(text(statement), given).mappings())
