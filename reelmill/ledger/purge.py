"""Purging: jobs that ended long ago go, with all that was found; that they were done is remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from reelmill.ledger.database import Database
from reelmill.ledger.deletion import (
    CHUNK_JOBS,
    DELETE_ENDED,
    OF_OBJECTS,
    PAGE_JOBS,
    Deleted,
    Objects,
    chunks,
    delete_chunk,
    jobs_of_objects,
)
from reelmill.schema import JobState

ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PurgeSpec:
    """What is purged: jobs that all of this is true of.

    Attributes:
        older_than: they reached their end so long ago, by the database's clock.
        states: of ENDED.
        batch_id: they belong to this batch.
        objects: they show one of these.
    """

    older_than: timedelta
    states: tuple[JobState, ...] = ENDED
    batch_id: UUID | None = None
    objects: Objects = field(default_factory=Objects)

    @property
    def whole(self) -> bool:
        """Whether age alone decides; then batches that have become empty go too."""
        return set(self.states) == set(ENDED) and not self.objects


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What was purged, or would be.

    Attributes:
        jobs: with their media, segments, captions, summaries, answers, boxes, attempts and duplicates.
        shared: those of them that showed several objects together.
        batches: that had no job left, with their scans and notifications.
    """

    jobs: int
    shared: int
    batches: int


# As the index has it: the oldest hour is found at once, however large the table.
_HOUR = "date_bin('1 hour', finished_at, timestamptz '2000-01-01 00:00:00+00')"
_NEXT_HOUR = text(
    f"""
    SELECT {_HOUR} FROM jobs
    WHERE finished_at IS NOT NULL AND {_HOUR} > :after AND {_HOUR} <= :before ORDER BY {_HOUR} LIMIT 1
    """  # noqa: S608 - constant text
)
_ENDED = "state = ANY(:states) AND finished_at < :before"
_OF_HOUR = text(f"SELECT id FROM jobs WHERE {_HOUR} = :hour AND {_ENDED} LIMIT :most")  # noqa: S608
_OF_BATCH = text(
    f"""
    SELECT id FROM jobs WHERE batch_id = :batch_id AND state = :state AND {_ENDED} AND id > :after
    ORDER BY id LIMIT :most
    """  # noqa: S608 - constant text
)
_COUNT = f"""
    SELECT count(*) AS jobs, count(*) FILTER (WHERE EXISTS (
        SELECT FROM media WHERE media.job_id = jobs.id AND media.ordinal = 1)) AS shared
    FROM jobs
    WHERE {_ENDED} AND {{which}}
"""  # noqa: S608 - constant text
# Empty, and nothing will come: its archive is listed, and a night in which nothing was new is as old as its batch.
_EMPTY = """
    FROM batches
    WHERE created_at < :before AND (CAST(:batch_id AS uuid) IS NULL OR id = :batch_id)
      AND NOT EXISTS (SELECT FROM jobs WHERE jobs.batch_id = batches.id {left})
      AND NOT EXISTS (SELECT FROM scans WHERE scans.batch_id = batches.id AND scans.state IN ('queued', 'running'))
"""
_DELETE_EMPTY = text(f"DELETE {_EMPTY.format(left='')}")
_COUNT_EMPTY = text(f"SELECT count(*) {_EMPTY.format(left=f'AND NOT ({_ENDED})')}")


def purge(db: Database, spec: PurgeSpec, *, told: Callable[[int], None] | None = None) -> PurgeReport:
    """Delete old jobs in short transactions; cut off at any point, the next call goes on.

    A job that somebody retries or cancels at this very moment is left to the next call.

    Args:
        told: hears after each transaction how many jobs are gone.

    Raises:
        DatabaseForbiddenError: this role may not delete.
    """
    return _purge(db, spec, told or (lambda jobs: None), ends_at=float("inf"))


def purge_for(db: Database, spec: PurgeSpec, seconds: float) -> PurgeReport:
    """`purge`, but stop about so many seconds later."""
    return _purge(db, spec, lambda jobs: None, ends_at=time.monotonic() + seconds)


def purge_preview(db: Database, spec: PurgeSpec) -> PurgeReport:
    """What `purge` would do now; reads every job that it means."""
    values = _values(db, spec)
    which = ["true"]
    if spec.batch_id:
        which.append("batch_id = :batch_id")
    if spec.objects:
        which.append(f"id IN (SELECT job_id FROM media WHERE {OF_OBJECTS})")  # noqa: S608 - constant text
    with db.statement() as connection:
        row = connection.execute(text(_COUNT.format(which=" AND ".join(which))), values).one()
        batches = connection.scalar(_COUNT_EMPTY, values) if spec.whole else 0
    return PurgeReport(row.jobs, row.shared, batches or 0)


def _purge(db: Database, spec: PurgeSpec, told: Callable[[int], None], ends_at: float) -> PurgeReport:
    values = _values(db, spec)
    gone = Deleted()
    for ids in _chunks(db, spec, values):
        with db.transaction() as connection:
            gone += delete_chunk(
                connection, DELETE_ENDED, ids, states=values["states"], before=values["before"], remember=True
            )
        told(gone.jobs)
        if time.monotonic() >= ends_at:
            return PurgeReport(gone.jobs, gone.shared, batches=0)
    if not spec.whole:
        return PurgeReport(gone.jobs, gone.shared, batches=0)
    with db.statement() as connection:
        batches = connection.execute(_DELETE_EMPTY, values).rowcount
    return PurgeReport(gone.jobs, gone.shared, batches)


def _values(db: Database, spec: PurgeSpec) -> dict[str, Any]:
    """One moment for the whole purge."""
    older = {"seconds": spec.older_than.total_seconds()}
    with db.statement() as connection:
        before = connection.scalar(text("SELECT now() - make_interval(secs => :seconds)"), older)
    states = [state.value for state in spec.states]
    return {"before": before, "states": states, "batch_id": spec.batch_id, **spec.objects.values}


def _chunks(db: Database, spec: PurgeSpec, values: dict[str, Any]) -> Iterator[list[UUID]]:
    """Jobs that may be meant. Deleting looks at each again."""
    if spec.objects:
        yield from jobs_of_objects(db, spec.objects)
        return
    for page in _of_batch(db, values) if spec.batch_id else _by_age(db, values):
        yield from chunks(page, CHUNK_JOBS)


def _of_batch(db: Database, values: dict[str, Any]) -> Iterator[list[UUID]]:
    for state in values["states"]:
        after = UUID(int=0)
        while page := _page(db, _OF_BATCH, {**values, "state": state, "after": after}):
            yield page
            after = page[-1]


def _by_age(db: Database, values: dict[str, Any]) -> Iterator[list[UUID]]:
    """Hour by hour. What is left of a page (locked, changed meanwhile) would come again: then the hour is over."""
    hour = _BEGINNING
    while True:
        with db.statement() as connection:
            following = connection.scalar(_NEXT_HOUR, {"after": hour, "before": values["before"]})
        if following is None:
            return
        hour, seen = following, set[UUID]()
        while fresh := [job for job in _page(db, _OF_HOUR, {**values, "hour": hour}) if job not in seen]:
            seen = set(fresh)
            yield fresh


def _page(db: Database, statement: Any, values: dict[str, Any]) -> list[UUID]:
    with db.statement() as connection:
        return list(connection.scalars(statement, {**values, "most": PAGE_JOBS}))
