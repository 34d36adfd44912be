"""Reading what stands in the ledger: a job, a batch's progress, errors, attempts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self
from uuid import UUID

from sqlalchemy import text

from reelmill.errors import NotFoundError
from reelmill.ledger.database import Database
from reelmill.schema import JobState

PAGE_JOBS = 500
Outcome = Literal["running", "succeeded", "failed", "retried", "released", "lost", "cancelled"]


@dataclass(frozen=True, slots=True)
class JobView:
    """One job as it stands. `attempt`: how often it was claimed; `run_at`: not before; `media`: URIs in order."""

    id: UUID
    batch_id: UUID | None
    model: str
    state: JobState
    priority: int
    labels: dict[str, str]
    client_token: str | None
    attempt: int
    crashes: int
    worker_id: str | None
    cancel_requested_at: datetime | None
    error_code: str | None
    error_message: str | None
    error_next_step: str | None
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    media: tuple[str, ...]


class BatchState(StrEnum):
    """A batch in one word; the words are those of OpenAI's Batch object.

    in_progress: jobs are queued or running, or the archive is still being listed.
    cancelling: the rest is told to stop, running jobs have not heard of it yet.
    completed: every job has reached its end, failed ones included: see the counts.
    cancelled: every job has reached its end, and some were cancelled; what had succeeded keeps its results.
    """

    IN_PROGRESS = "in_progress"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

    @property
    def done(self) -> bool:
        """Whether every job has reached its end."""
        return self in (BatchState.COMPLETED, BatchState.CANCELLED)


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How many jobs of a batch are in which state. `str()` is a line for people.

    `scanning`: its archive is still being listed, more jobs may come.
    """

    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    scanning: bool = False

    @classmethod
    def of(cls, counts: Mapping[str, int], *, scanning: bool = False) -> Self:
        """From jobs by state."""
        known: dict[str, Any] = {state.value: counts.get(state.value, 0) for state in JobState}
        return cls(**known, scanning=scanning)

    @property
    def completed(self) -> int:
        """Another word for `succeeded`, as in OpenAI's `request_counts`."""
        return self.succeeded

    @property
    def total(self) -> int:
        """All jobs."""
        return self.queued + self.running + self.finished

    @property
    def finished(self) -> int:
        """Jobs that reached their end, whichever."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def done(self) -> bool:
        """Whether all jobs have reached their end, and no more will come."""
        return not self.scanning and self.queued == self.running == 0

    def __str__(self) -> str:
        counts = {state.value: getattr(self, state) for state in JobState}
        told = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
        more = ", more may come" if self.scanning else ""
        return f"{self.finished:,} of {self.total:,} jobs finished" + (f" ({told}{more})" if told else more)


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as it was submitted."""

    id: UUID
    name: str | None
    labels: dict[str, str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed, and what to do about it."""

    job_id: UUID
    media: tuple[str, ...]
    error_code: str
    error_message: str
    error_next_step: str
    attempts: int
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One claim of a job and how it ended."""

    attempt: int
    worker_id: str
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome
    error_code: str | None
    error_message: str | None


_SCANNING = "EXISTS (SELECT FROM scans WHERE scans.batch_id = :batch_id AND state IN ('queued', 'running'))"
_URIS = "ARRAY(SELECT uri FROM media WHERE job_id = jobs.id ORDER BY ordinal)"


def job_view(db: Database, job_id: UUID) -> JobView:
    """One job. Raises NotFoundError."""
    for found in job_views(db, [job_id]):
        return found
    raise NotFoundError("there is no such job", subject=str(job_id))


def job_views(db: Database, job_ids: Collection[UUID]) -> tuple[JobView, ...]:
    """These jobs, as far as they exist, in the order of submission."""
    statement = text(
        f"""
        SELECT id, batch_id, model, state, priority, labels, client_token, attempt, crashes, worker_id,
               cancel_requested_at, error_code, error_message, error_next_step, created_at, run_at, started_at,
               finished_at, {_URIS} AS media
        FROM jobs WHERE id = ANY(:job_ids) ORDER BY id
        """  # noqa: S608 - constant text
    )
    with db.statement() as connection:
        rows = connection.execute(statement, {"job_ids": list(job_ids)}).mappings().all()
    return tuple(JobView(**{**row, "state": JobState(row["state"]), "media": tuple(row["media"])}) for row in rows)


def job_state(db: Database, job_id: UUID) -> JobState:
    """The state alone: what waiting asks again and again. Raises NotFoundError."""
    with db.statement() as connection:
        state = connection.scalar(text("SELECT state FROM jobs WHERE id = :job_id"), {"job_id": job_id})
    if state is None:
        raise NotFoundError("there is no such job", subject=str(job_id))
    return JobState(state)


def batch_view(db: Database, batch_id: UUID) -> BatchView:
    """One batch. Raises NotFoundError."""
    statement = text("SELECT id, name, labels, created_at FROM batches WHERE id = :batch_id")
    with db.statement() as connection:
        row = connection.execute(statement, {"batch_id": batch_id}).mappings().one_or_none()
    if row is None:
        raise NotFoundError("there is no such batch", subject=str(batch_id))
    return BatchView(**row)


def list_batches(db: Database, *, most: int = 20) -> tuple[BatchView, ...]:
    """The latest batches, newest first."""
    statement = text("SELECT id, name, labels, created_at FROM batches ORDER BY id DESC LIMIT :most")
    with db.statement() as connection:
        return tuple(BatchView(**row) for row in connection.execute(statement, {"most": most}).mappings())


def batch_counts(db: Database, batch_id: UUID) -> BatchStatus:
    """A batch's jobs by state; all zero for a batch without jobs."""
    # One statement, one snapshot: a scan's last jobs and its end are seen together.
    statement = text(
        f"""
        SELECT {_SCANNING} AS scanning,
               (SELECT jsonb_object_agg(state, jobs) FROM (
                    SELECT state, count(*) AS jobs FROM jobs WHERE batch_id = :batch_id GROUP BY state
                ) AS by_state) AS counts
        """  # noqa: S608 - constant text
    )
    with db.statement() as connection:
        row = connection.execute(statement, {"batch_id": batch_id}).one()
    return BatchStatus.of(row.counts or {}, scanning=row.scanning)


def batch_state(db: Database, batch_id: UUID) -> BatchState:
    """A batch in one word; `completed` for one without jobs."""
    statement = text(
        f"""
        SELECT count(*) FILTER (WHERE state IN ('queued', 'running')) AS going, {_SCANNING} AS scanning,
               count(*) FILTER (WHERE state = 'running' AND cancel_requested_at IS NOT NULL) AS cancelling,
               EXISTS (SELECT FROM jobs WHERE batch_id = :batch_id AND state = 'cancelled') AS cancelled
        FROM jobs WHERE batch_id = :batch_id AND state IN ('queued', 'running')
        """  # noqa: S608 - constant text
    )
    with db.statement() as connection:
        row = connection.execute(statement, {"batch_id": batch_id}).one()
    if row.scanning:
        return BatchState.IN_PROGRESS
    if row.going:
        return BatchState.CANCELLING if row.cancelling == row.going else BatchState.IN_PROGRESS
    return BatchState.CANCELLED if row.cancelled else BatchState.COMPLETED


def batch_finished_at(db: Database, batch_id: UUID) -> datetime | None:
    """When the last job and the scan reached their end; None while one has not, and for a batch without either."""
    statement = text(
        f"""
        SELECT max(finished_at)
        FROM (SELECT finished_at FROM jobs WHERE batch_id = :batch_id
              UNION ALL SELECT finished_at FROM scans WHERE batch_id = :batch_id) AS parts
        WHERE NOT EXISTS (SELECT FROM jobs WHERE batch_id = :batch_id AND state IN ('queued', 'running'))
          AND NOT {_SCANNING}
        """  # noqa: S608 - constant text
    )
    with db.statement() as connection:
        finished_at: datetime | None = connection.scalar(statement, {"batch_id": batch_id})
    return finished_at


def errors(db: Database, *, job_ids: Collection[UUID] = (), batch_id: UUID | None = None) -> Iterator[JobError]:
    """Failed jobs of a batch, or among these jobs, in the order of submission; read in pages."""
    statement = text(
        f"""
        SELECT id AS job_id, {_URIS} AS media, error_code, error_message,
               coalesce(error_next_step, '') AS error_next_step, attempt AS attempts, finished_at
        FROM jobs
        WHERE {"batch_id = :batch_id" if batch_id else "id = ANY(:job_ids)"} AND state = 'failed' AND id > :after
        ORDER BY id LIMIT :most
        """  # noqa: S608 - constant text
    )
    which = {"batch_id": batch_id} if batch_id else {"job_ids": list(job_ids)}
    after = UUID(int=0)
    while True:
        with db.statement() as connection:
            rows = connection.execute(statement, {**which, "after": after, "most": PAGE_JOBS}).mappings().all()
        for row in rows:
            yield JobError(**{**row, "media": tuple(row["media"])})
        if len(rows) < PAGE_JOBS:
            return
        after = rows[-1]["job_id"]


def attempts(db: Database, job_id: UUID) -> tuple[AttemptView, ...]:
    """Every claim of a job, oldest first."""
    statement = text(
        """
        SELECT attempt, worker_id, started_at, finished_at, outcome, error_code, error_message
        FROM attempts WHERE job_id = :job_id ORDER BY attempt
        """
    )
    with db.statement() as connection:
        return tuple(AttemptView(**row) for row in connection.execute(statement, {"job_id": job_id}).mappings())


def last_attempts(db: Database, job_ids: Collection[UUID]) -> dict[UUID, AttemptView]:
    """The latest claim of each of these jobs that was ever claimed."""
    statement = text(
        """
        SELECT DISTINCT ON (job_id)
               job_id, attempt, worker_id, started_at, finished_at, outcome, error_code, error_message
        FROM attempts WHERE job_id = ANY(:job_ids) ORDER BY job_id, attempt DESC
        """
    )
    with db.statement() as connection:
        rows = connection.execute(statement, {"job_ids": list(job_ids)}).mappings().all()
    return {
        row["job_id"]: AttemptView(**{name: value for name, value in row.items() if name != "job_id"}) for row in rows
    }
