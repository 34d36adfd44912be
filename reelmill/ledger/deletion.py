"""Deleting jobs with all that was found: in short transactions, whatever happens to them at the same time.

A job is one row that everything else hangs on: what was seen and said, its attempts, its duplicates. Deleting it takes
the lease from whoever works it: heartbeat, pin and finish are fenced by that row, find none, and write nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from reelmill.ledger.database import Database
from reelmill.ledger.fingerprint import ANSWERED

T = TypeVar("T")
CHUNK_JOBS = 500
"""Jobs deleted by one transaction: heartbeats of running ones wait for its locks."""
PAGE_JOBS = 10_000
PAGE_URIS = 500
_LAST_CHARACTER = "\U0010ffff"

OF_OBJECTS = "(uri = ANY(:uris) OR uri ~>=~ :prefix AND uri ~<~ :prefix_end AND starts_with(uri, :prefix))"
"""Rows of `media` or `duplicates` that are of these objects; for `Objects.values`."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Media by their URIs, and by what their URIs begin with (empty: by URI only)."""

    uris: tuple[str, ...] = ()
    prefix: str = ""

    def __bool__(self) -> bool:
        return bool(self.uris or self.prefix)

    @property
    def values(self) -> dict[str, Any]:
        """For OF_OBJECTS. An empty prefix ends where it begins."""
        end = self.prefix + _LAST_CHARACTER * 4 if self.prefix else ""
        return {"uris": list(self.uris), "prefix": self.prefix, "prefix_end": end}


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a chunk took away.

    Attributes:
        jobs: with all that was found.
        stopped: those of them that were queued or running.
        shared: those of them that showed several objects together.
    """

    jobs: int = 0
    stopped: int = 0
    shared: int = 0

    def __add__(self, other: Deleted) -> Deleted:
        return Deleted(self.jobs + other.jobs, self.stopped + other.stopped, self.shared + other.shared)


# Locked in the order of their ids, as by heartbeats and cancellation. What another one holds at this moment is left
# to the next purge, or waited for.
_DELETE = """
    WITH chosen AS MATERIALIZED (
        SELECT id, state, fingerprint, transient_failures, max_attempts, error_code FROM jobs
        WHERE id = ANY(:ids) AND {which} ORDER BY id FOR UPDATE {busy}
    ), counted AS MATERIALIZED (
        SELECT count(*) AS jobs, count(*) FILTER (WHERE state IN ('queued', 'running')) AS stopped,
               count(*) FILTER (WHERE EXISTS (
                   SELECT FROM media WHERE media.job_id = chosen.id AND media.ordinal = 1)) AS shared
        FROM chosen
    ), remembered AS (
        INSERT INTO purged_fingerprints (fingerprint, state)
        SELECT DISTINCT ON (fingerprint) fingerprint, state FROM chosen
        WHERE :remember AND fingerprint IS NOT NULL AND {answered} ORDER BY fingerprint, id DESC
        ON CONFLICT DO NOTHING
    ), gone AS (DELETE FROM jobs USING chosen WHERE jobs.id = chosen.id)
    SELECT jobs, stopped, shared FROM counted
"""
_ENDED = "state = ANY(:states) AND finished_at < :before"
DELETE_ENDED = text(_DELETE.format(which=_ENDED, busy="SKIP LOCKED", answered=ANSWERED))
"""For purging: `ids`, `states`, `before`."""
DELETE_ANY = text(_DELETE.format(which="true", busy="", answered=ANSWERED))
"""For forgetting: `ids`."""

_URIS = text(
    """
    SELECT DISTINCT uri FROM media
    WHERE uri ~>~ :after AND uri ~>=~ :prefix AND uri ~<~ :prefix_end AND starts_with(uri, :prefix)
    ORDER BY uri USING ~<~ LIMIT :most
    """
)
_JOBS_OF_URIS = text("SELECT DISTINCT job_id FROM media WHERE uri = ANY(:uris)")


def delete_chunk(connection: Connection, statement: TextClause, ids: Sequence[UUID], **values: Any) -> Deleted:
    """Delete those of these jobs that the statement means, in the caller's transaction."""
    return Deleted(**connection.execute(statement, {"ids": list(ids), **values}).mappings().one())


def jobs_of_objects(db: Database, objects: Objects) -> Iterator[list[UUID]]:
    """The jobs that show one of these objects, in chunks; memory does not grow with the prefix."""
    for uris in _uris(db, objects):
        with db.statement() as connection:
            ids = list(connection.scalars(_JOBS_OF_URIS, {"uris": uris}))
        yield from chunks(ids, CHUNK_JOBS)


def chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    return (list(items[start : start + size]) for start in range(0, len(items), size))


def _uris(db: Database, objects: Objects) -> Iterator[list[str]]:
    yield from chunks(objects.uris, PAGE_URIS)
    after = ""
    while objects.prefix:
        with db.statement() as connection:
            page = list(connection.scalars(_URIS, {**objects.values, "after": after, "most": PAGE_URIS}))
        if not page:
            return
        yield page
        after = page[-1]
