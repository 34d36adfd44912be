"""Where batches leave their results as files: asked for, listed. `export_claims` is for those who write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, text

from reelmill.errors import SpecError
from reelmill.ledger.database import Database
from reelmill.ledger.ids import new_id
from reelmill.ledger.text import clean
from reelmill.schema.export import ExportFormat, ExportSpec

AWAITED = """
    exports.state IN ('due', 'running')
    AND (exports.lease_expires_at > now() OR exports.due_at > now() - interval '1 hour')
"""
"""What a webhook of the batch waits for: an hour at most where nobody writes."""

ExportState = Literal["waiting", "due", "running", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of an export. `rows`: of a Parquet file; lines of a JSONL file."""

    name: str
    jobs: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ExportView:
    """Where a batch leaves its results, and how far that is.

    Attributes:
        location: the folder of the files. They are complete once `_SUCCESS` lies there too, which lists them.
        state: waiting (for the batch), due, running, succeeded, or failed (given up; the error says why).
        files: those that are written so far.
        tries: since a file was added last; the error is that of the last one.
        as_of: jobs that had succeeded by then are in the files; None before the first try.
    """

    id: UUID
    batch_id: UUID
    location: str
    format: ExportFormat
    state: ExportState
    files: tuple[ExportedFile, ...]
    tries: int
    next_try_at: datetime
    as_of: datetime | None
    error_code: str | None
    error_message: str | None
    error_next_step: str | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def rows(self) -> int:
        """Of all files so far."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Of all files so far."""
        return sum(file.bytes for file in self.files)


BATCH_DONE = """
    NOT EXISTS (SELECT FROM scans WHERE scans.batch_id = exports.batch_id AND scans.state IN ('queued', 'running'))
    AND NOT EXISTS (SELECT FROM jobs WHERE jobs.batch_id = exports.batch_id AND jobs.state IN ('queued', 'running'))
"""
_BECOME_DUE = text(
    f"""
    UPDATE exports SET state = 'due', due_at = now(), next_try_at = now() WHERE state = 'waiting' AND {BATCH_DONE}
    """  # noqa: S608 - constant text
)
# Failed ones are taken up again where they stopped; what nobody has begun sees the newest results.
_ADD = text(
    """
    INSERT INTO exports (id, batch_id, prefix, format) VALUES (:id, :batch_id, :prefix, :format)
    ON CONFLICT (batch_id, prefix) DO UPDATE
    SET state = CASE WHEN exports.state = 'failed' THEN 'waiting' ELSE exports.state END,
        tries = CASE WHEN exports.state = 'failed' THEN 0 ELSE exports.tries END,
        finished_at = CASE WHEN exports.state = 'failed' THEN NULL ELSE exports.finished_at END,
        as_of = CASE WHEN exports.state = 'failed' AND exports.files = '[]' THEN NULL ELSE exports.as_of END
    WHERE exports.format = excluded.format
    RETURNING id
    """
)
_LIST = text(
    """
    SELECT id, batch_id, prefix, format, state, files, tries, next_try_at, as_of, error_code, error_message,
           error_next_step, created_at, finished_at
    FROM exports WHERE batch_id = :batch_id ORDER BY id
    """
)
_OVERDUE = text(
    f"""
    SELECT prefix FROM exports
    WHERE next_try_at < now() - make_interval(secs => :by_s)
      AND (state = 'due' OR state = 'waiting' AND {BATCH_DONE} OR state = 'running' AND lease_expires_at < now())
    ORDER BY next_try_at
    """  # noqa: S608 - constant text
)
_FAILED = text("SELECT count(*) FROM exports WHERE state = 'failed'")


def add_export(db: Database, batch_id: UUID, spec: ExportSpec) -> UUID:
    """Leave the batch's results there once it is done. The same place twice is once; a failed one is tried again.

    Raises:
        SpecError: they go, or went, there in the other format.
    """
    with db.transaction() as connection:
        return add_export_in(connection, batch_id, spec)


def add_export_in(connection: Connection, batch_id: UUID, spec: ExportSpec) -> UUID:
    """`add_export` as a part of a transaction."""
    values = {"id": new_id(), "batch_id": batch_id, "prefix": clean(spec.prefix), "format": spec.format}
    found: UUID | None = connection.scalar(_ADD, values)
    if found is None:
        raise SpecError(
            "the batch's results go there in the other format already",
            subject=spec.prefix,
            next_step="Name another prefix",
        )
    return found


def list_exports(db: Database, batch_id: UUID) -> tuple[ExportView, ...]:
    """The exports of a batch, in the order of asking."""
    with db.statement() as connection:
        return tuple(_view(row) for row in connection.execute(_LIST, {"batch_id": batch_id}).mappings())


def become_due(connection: Connection) -> None:
    """Note which exports' batches are done."""
    connection.execute(_BECOME_DUE)


def overdue_exports(db: Database, *, by_s: float) -> tuple[str, ...]:
    """Prefixes of exports that could have been taken up for longer than this: nobody may, or nobody is there."""
    with db.statement() as connection:
        return tuple(connection.scalars(_OVERDUE, {"by_s": by_s}))


def failed_exports(db: Database) -> int:
    """How many were given up."""
    with db.statement() as connection:
        return int(connection.scalar(_FAILED) or 0)


def _view(row: Mapping[Any, Any]) -> ExportView:
    values = {name: row[name] for name in ExportView.__dataclass_fields__ if name not in ("location", "files")}
    spec = ExportSpec(prefix=row["prefix"], format=row["format"])
    return ExportView(location=spec.location(row["batch_id"]), files=files_of(row), **values)


def files_of(row: Mapping[Any, Any]) -> tuple[ExportedFile, ...]:
    """Its column `files`."""
    return tuple(ExportedFile(**file) for file in row["files"])
