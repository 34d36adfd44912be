"""Forgetting: everything known of an object or a batch goes, whatever state it is in; nothing is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from reelmill.ledger.database import Database
from reelmill.ledger.deletion import (
    CHUNK_JOBS,
    DELETE_ANY,
    OF_OBJECTS,
    PAGE_JOBS,
    Deleted,
    Objects,
    chunks,
    delete_chunk,
    jobs_of_objects,
)
from reelmill.ledger.scans import cancel_scan


@dataclass(frozen=True, slots=True)
class ForgetReport:
    """What was forgotten, or would be.

    Attributes:
        jobs: with their media, segments, captions, summaries, answers, boxes, attempts and duplicates.
        stopped: those of them that were queued or running; a worker hears of it with its next heartbeat.
        shared: those of them that showed several objects together, all of which lost their answers.
        duplicates: that the object was found under another key's job.
    """

    jobs: int
    stopped: int
    shared: int
    duplicates: int


_COUNT = """
    SELECT count(*) AS jobs, count(*) FILTER (WHERE state IN ('queued', 'running')) AS stopped,
           count(*) FILTER (WHERE EXISTS (
               SELECT FROM media WHERE media.job_id = jobs.id AND media.ordinal = 1)) AS shared
    FROM jobs WHERE {which}
"""
_OF_OBJECTS = f"id IN (SELECT job_id FROM media WHERE {OF_OBJECTS})"  # noqa: S608 - constant text
_COUNT_DUPLICATES = text(f"SELECT count(*) FROM duplicates WHERE {OF_OBJECTS}")  # noqa: S608
_DELETE_DUPLICATES = text(f"DELETE FROM duplicates WHERE {OF_OBJECTS}")  # noqa: S608
_DELETE_PROBLEMS = text(
    f"DELETE FROM scan_problems WHERE {OF_OBJECTS.replace('uri', 'subject').replace(':subjects', ':uris')}"  # noqa: S608
)
# Where a listing that is over had come to: the last key of a page, of use to nobody.
_CLEAR_CURSORS = text("UPDATE scans SET cursor = NULL WHERE state = 'succeeded' AND cursor IS NOT NULL")
_OF_BATCH = text("SELECT id FROM jobs WHERE batch_id = :batch_id LIMIT :most")


def forget_objects(db: Database, objects: Objects) -> ForgetReport:
    """Delete every job that shows one of these objects, and every other trace of them, in short transactions.

    Cut off at any point, the next call goes on. The objects themselves are not touched: where they still lie in an
    archive that is listed again, they are new.

    Raises:
        DatabaseForbiddenError: this role may not delete.
    """
    gone = Deleted()
    # Again until nothing is found: jobs may come in meanwhile.
    while (found := _delete(db, jobs_of_objects(db, objects))).jobs:
        gone += found
    with db.statement() as connection:
        duplicates = connection.execute(_DELETE_DUPLICATES, objects.values).rowcount
        connection.execute(_DELETE_PROBLEMS, objects.values)
        connection.execute(_CLEAR_CURSORS)
    return ForgetReport(gone.jobs, gone.stopped, gone.shared, duplicates)


def forget_batch(db: Database, batch_id: UUID) -> ForgetReport:
    """Delete a batch with its jobs, its scan and its notifications; its listing is stopped first."""
    cancel_scan(db, batch_id)
    gone = Deleted()
    while (found := _delete(db, _jobs_of_batch(db, batch_id))).jobs:
        gone += found
    with db.statement() as connection:
        connection.execute(text("DELETE FROM batches WHERE id = :batch_id"), {"batch_id": batch_id})
    return ForgetReport(gone.jobs, gone.stopped, gone.shared, duplicates=0)


def forget_preview(db: Database, objects: Objects, *, batch_id: UUID | None = None) -> ForgetReport:
    """What `forget_batch`, or else `forget_objects` would do now."""
    values = {"batch_id": batch_id} if batch_id else objects.values
    with db.statement() as connection:
        count = text(_COUNT.format(which="batch_id = :batch_id" if batch_id else _OF_OBJECTS))
        row = connection.execute(count, values).one()
        duplicates = 0 if batch_id else connection.scalar(_COUNT_DUPLICATES, values)
    return ForgetReport(row.jobs, row.stopped, row.shared, duplicates or 0)


def _delete(db: Database, chunks: Iterator[list[UUID]]) -> Deleted:
    gone = Deleted()
    for ids in chunks:
        with db.transaction() as connection:
            gone += delete_chunk(connection, DELETE_ANY, ids, remember=False)
    return gone


def _jobs_of_batch(db: Database, batch_id: UUID) -> Iterator[list[UUID]]:
    with db.statement() as connection:
        page = list(connection.scalars(_OF_BATCH, {"batch_id": batch_id, "most": PAGE_JOBS}))
    yield from chunks(page, CHUNK_JOBS)
