"""Writing exports: leased work of its own, that any process may take up where the last one stopped.

Which jobs are in the files is settled by the first claim (`as_of`): whoever writes a file again writes the same rows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from reelmill.errors import ExportStalledError
from reelmill.ledger.database import Database
from reelmill.ledger.exports import BATCH_DONE, ExportedFile, ExportState, become_due, files_of
from reelmill.ledger.text import clean, to_json
from reelmill.schema import ReelmillError
from reelmill.schema.export import ExportSpec

MAX_TRIES = 12
"""Without a file added, with pauses that double from FIRST_PAUSE_S to LONGEST_PAUSE_S: given up after about a day."""
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class ExportLease:
    """The right to write an export."""

    export_id: UUID
    lease_token: UUID


@dataclass(frozen=True, slots=True)
class ClaimedExport:
    """An export that is ours until its lease ends.

    Attributes:
        as_of: it holds the jobs that had succeeded by then.
        cursor: the last job of `files`, which are written already.
    """

    lease: ExportLease
    batch_id: UUID
    spec: ExportSpec
    as_of: datetime
    cursor: UUID | None
    files: tuple[ExportedFile, ...]


# While a job is retried, what is not begun waits for it: at `as_of` no job is on its way to its end. That is told by
# the clock, because a job may have ended since this transaction began.
_CLAIM = text(
    f"""
    WITH picked AS (
        SELECT id FROM exports
        WHERE (state = 'due' AND next_try_at <= now()
               OR state = 'running' AND lease_expires_at < now()
                  AND pg_postmaster_start_time() + make_interval(secs => lease_s) < now())
          AND (as_of IS NOT NULL OR {BATCH_DONE})
          AND format = ANY(:formats)
          AND EXISTS (SELECT FROM unnest(CAST(:prefixes AS text[])) AS allowed WHERE starts_with(prefix, allowed))
        ORDER BY next_try_at, id LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE exports
    SET state = 'running', tries = tries + 1, worker_id = :worker_id, as_of = coalesce(as_of, clock_timestamp()),
        lease_token = gen_random_uuid(), lease_s = :lease_s, lease_expires_at = now() + make_interval(secs => :lease_s)
    FROM picked WHERE exports.id = picked.id
    RETURNING exports.id, batch_id, prefix, format, as_of, cursor, files, tries, lease_token
    """  # noqa: S608 - constant text
)
_OURS = "id = :export_id AND lease_token = :lease_token AND state = 'running'"
_NO_LEASE = "lease_token = NULL, lease_expires_at = NULL"
_NO_ERROR = "error_code = NULL, error_message = NULL, error_next_step = NULL"
_EXTEND = text(
    f"UPDATE exports SET lease_expires_at = now() + make_interval(secs => lease_s) WHERE {_OURS}"  # noqa: S608
)
_NOTE_FILE = text(
    f"""
    UPDATE exports
    SET files = files || CAST(:file AS jsonb), cursor = coalesce(CAST(:cursor AS uuid), cursor), tries = 1
    WHERE {_OURS}
    """  # noqa: S608 - constant text
)
_FINISH = text(
    f"""
    UPDATE exports SET state = 'succeeded', finished_at = now(), {_NO_LEASE}, {_NO_ERROR} WHERE {_OURS}
    """  # noqa: S608 - constant text
)
_RELEASE = text(
    f"UPDATE exports SET state = 'due', tries = greatest(tries - 1, 0), {_NO_LEASE} WHERE {_OURS}"  # noqa: S608
)
_FAIL = text(
    f"""
    UPDATE exports
    SET {_NO_LEASE}, state = CASE WHEN :passing AND tries < :max_tries THEN 'due' ELSE 'failed' END,
        finished_at = CASE WHEN :passing AND tries < :max_tries THEN NULL ELSE now() END,
        next_try_at = now() + make_interval(secs => least(:first_s * power(2, least(tries - 1, 20)), :longest_s)),
        error_code = :code, error_message = :message, error_next_step = :next_step
    WHERE {_OURS} RETURNING state
    """  # noqa: S608 - constant text
)


def claim_export(
    db: Database, worker_id: str, *, lease_s: float, formats: Collection[str], prefixes: Collection[str]
) -> ClaimedExport | None:
    """Take the export that waits longest, or one whose worker fell silent; None when there is none for us.

    Args:
        formats: those that this process can write.
        prefixes: below which it may write, each with a slash at its end.
    """
    values = {"worker_id": worker_id, "lease_s": lease_s, "formats": list(formats), "prefixes": list(prefixes)}
    while True:
        with db.transaction() as connection:
            become_due(connection)
            row = connection.execute(_CLAIM, values).mappings().one_or_none()
        if row is None:
            return None
        lease = ExportLease(row["id"], row["lease_token"])
        if row["tries"] > MAX_TRIES:
            fail_export(db, lease, ExportStalledError(f"its worker was lost {MAX_TRIES} times, no file was added"))
            continue
        spec = ExportSpec(prefix=row["prefix"], format=row["format"])
        return ClaimedExport(lease, row["batch_id"], spec, row["as_of"], row["cursor"], files_of(row))


def extend_export(db: Database, lease: ExportLease) -> bool:
    """Keep the lease. False: the export is no longer ours, or no longer there."""
    return _write(db, _EXTEND, lease)


def note_file(db: Database, lease: ExportLease, file: ExportedFile, cursor: UUID | None) -> bool:
    """A file is written, up to this job (None: it has none). False: the export is no longer ours."""
    return _write(db, _NOTE_FILE, lease, file=to_json([asdict(file)]), cursor=cursor)


def finish_export(db: Database, lease: ExportLease) -> bool:
    """All files are written and announced. False: the export is no longer ours."""
    return _write(db, _FINISH, lease)


def release_export(db: Database, lease: ExportLease) -> bool:
    """Give it back unharmed (SIGTERM): the next one goes on behind the last file. False: no longer ours."""
    return _write(db, _RELEASE, lease)


def fail_export(db: Database, lease: ExportLease, error: ReelmillError) -> ExportState | None:
    """End our part with an error: a passing one is tried again after a pause. None: no longer ours."""
    values = {
        **asdict(lease),
        "passing": error.transient,
        "max_tries": MAX_TRIES,
        "first_s": FIRST_PAUSE_S,
        "longest_s": LONGEST_PAUSE_S,
        "code": error.code,
        "message": clean(f"{error.subject}: {error.message}" if error.subject else error.message),
        "next_step": clean(error.next_step),
    }
    with db.statement() as connection:
        state: ExportState | None = connection.scalar(_FAIL, values)
    return state


def _write(db: Database, statement: TextClause, lease: ExportLease, **values: Any) -> bool:
    with db.statement() as connection:
        return connection.execute(statement, {**asdict(lease), **values}).rowcount > 0
