"""Scans: leased work of their own, that any process may take up where the last one stopped."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection, text

from reelmill.errors import ScanStalledError, SpecError
from reelmill.ledger.database import Database
from reelmill.ledger.finish import backoff_s
from reelmill.ledger.ids import new_id
from reelmill.ledger.submit import NewBatch, check_model, insert_batch
from reelmill.ledger.text import clean, to_json
from reelmill.schema import PrefixSpec, ReelmillError, ScanState

ScanKind = Literal["prefix", "manifest", "openai"]
MAX_TRIES = 10
"""Claims in a row that bring a scan no further; then it fails."""


@dataclass(frozen=True, slots=True)
class ScanCounts:
    """How far a scan has come.

    Attributes:
        listed: objects (or lines) seen.
        matched: those that the filters let through.
        accepted: those that became jobs, `accepted_bytes` their size.
        skipped: the others by reason: `excluded`, `done`, `duplicate`, …
    """

    listed: int = 0
    matched: int = 0
    accepted: int = 0
    accepted_bytes: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScanView:
    """One scan as it stands. `source`: the prefix or file; `problems`: lines of a manifest that were no use."""

    id: UUID
    batch_id: UUID
    kind: ScanKind
    source: str
    model: str
    state: ScanState
    counts: ScanCounts
    problems: int
    worker_id: str | None
    error_code: str | None
    error_message: str | None
    error_next_step: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ScanLease:
    """The right to report on a scan."""

    scan_id: UUID
    lease_token: UUID


@dataclass(frozen=True, slots=True)
class ClaimedScan:
    """A scan that is ours until its lease ends; `cursor` is where the last one stopped."""

    lease: ScanLease
    batch_id: UUID
    spec: PrefixSpec
    cursor: str | None
    counts: ScanCounts


_COUNTS = "listed, matched, accepted, accepted_bytes, skipped"
_FENCE = "id = :scan_id AND lease_token = :lease_token AND state = 'running'"
_NO_LEASE = "lease_token = NULL, lease_expires_at = NULL"

_START = text(
    """
    INSERT INTO scans (id, batch_id, kind, source, model, spec)
    VALUES (:id, :batch_id, 'prefix', :source, :model, CAST(:spec AS jsonb))
    """
)

# What counts as done depends on the checkpoint: a scan waits until one was served under the name that it asks for.
_CLAIM = text(
    f"""
    WITH picked AS (
        SELECT id FROM scans
        WHERE (state = 'queued' AND run_at <= now()
               OR state = 'running' AND lease_expires_at < now()
                  AND pg_postmaster_start_time() + make_interval(secs => lease_s) < now())
          AND kind = 'prefix'
          AND EXISTS (SELECT FROM models WHERE models.name = scans.model)
          AND (source LIKE 's3://%' OR EXISTS (
              SELECT FROM unnest(CAST(:file_roots AS text[])) AS root
              WHERE source = root OR starts_with(source, rtrim(root, '/') || '/')))
        ORDER BY run_at, id LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE scans
    SET state = 'running', tries = tries + 1, worker_id = :worker_id, started_at = coalesce(started_at, now()),
        lease_token = gen_random_uuid(), lease_s = :lease_s, lease_expires_at = now() + make_interval(secs => :lease_s)
    FROM picked WHERE scans.id = picked.id
    RETURNING scans.id, batch_id, spec, cursor, tries, lease_token, {_COUNTS}
    """  # noqa: S608 - constant text
)

_FINISH = text(
    f"UPDATE scans SET state = 'succeeded', finished_at = now(), {_NO_LEASE} WHERE {_FENCE} RETURNING id"  # noqa: S608
)

_FAIL = text(
    f"""
    UPDATE scans
    SET {_NO_LEASE}, state = CASE WHEN :passing AND tries < :max_tries THEN 'queued' ELSE 'failed' END,
        run_at = CASE WHEN :passing THEN now() + make_interval(secs => :delay_s) ELSE run_at END,
        finished_at = CASE WHEN :passing AND tries < :max_tries THEN NULL ELSE now() END,
        error_code = CASE WHEN :passing AND tries < :max_tries THEN NULL ELSE :code END,
        error_message = :message, error_next_step = :next_step
    WHERE {_FENCE}
    RETURNING state
    """  # noqa: S608 - constant text
)

_RELEASE = text(
    f"""
    UPDATE scans SET state = 'queued', tries = greatest(tries - 1, 0), {_NO_LEASE} WHERE {_FENCE} RETURNING id
    """  # noqa: S608 - constant text
)

_CANCEL = text(
    f"""
    UPDATE scans SET state = 'cancelled', finished_at = now(), {_NO_LEASE}
    WHERE batch_id = :batch_id AND state IN ('queued', 'running')
    """  # noqa: S608 - constant text
)

_RESUME = text(
    """
    UPDATE scans
    SET state = 'queued', tries = 0, run_at = now(), finished_at = NULL,
        error_code = NULL, error_message = NULL, error_next_step = NULL
    WHERE batch_id = :batch_id AND state IN ('failed', 'cancelled')
    """
)

_VIEW = f"""
    SELECT id, batch_id, kind, source, model, state, {_COUNTS},
           (SELECT count(*) FROM scan_problems WHERE scan_id = scans.id) AS problems, worker_id,
           error_code, error_message, error_next_step, created_at, started_at, finished_at
    FROM scans
"""  # noqa: S608 - constant text


def start_scan(db: Database, spec: PrefixSpec, batch: NewBatch) -> UUID:
    """Accept a scan and the batch that its jobs will belong to; returns the scan's id.

    Raises:
        UnknownModelError: no worker has ever served such a model.
        DatabaseUnavailableError: nothing was accepted.
    """
    with db.transaction() as connection:
        return start_scan_in(connection, spec, batch)


def start_scan_in(connection: Connection, spec: PrefixSpec, batch: NewBatch) -> UUID:
    """`start_scan` as a part of a transaction, for whoever must accept it together with something else."""
    check_model(connection, spec.model)
    insert_batch(connection, batch)
    scan_id = new_id()
    document = to_json(spec.model_dump(mode="json"))
    values = {"id": scan_id, "batch_id": batch.id, "source": clean(spec.prefix), "model": spec.model, "spec": document}
    connection.execute(_START, values)
    return scan_id


def claim_scan(db: Database, worker_id: str, *, lease_s: float, file_roots: Collection[str] = ()) -> ClaimedScan | None:
    """Take the scan that waits longest, or one whose worker fell silent; None when there is none for us.

    Args:
        file_roots: file:// URIs of the directories that this process may list.
    """
    values = {"worker_id": worker_id, "lease_s": lease_s, "file_roots": list(file_roots)}
    while True:
        with db.statement() as connection:
            row = connection.execute(_CLAIM, values).mappings().one_or_none()
        if row is None:
            return None
        lease = ScanLease(row["id"], row["lease_token"])
        if row["tries"] > MAX_TRIES:
            fail_scan(db, lease, ScanStalledError(f"its worker was lost {MAX_TRIES} times and nothing was added"))
            continue
        try:
            spec = PrefixSpec.model_validate(row["spec"])
        except ValidationError as error:
            fail_scan(db, lease, SpecError(f"this worker cannot read the scan: {error.errors()[0]['msg']}"))
            continue
        return ClaimedScan(lease, row["batch_id"], spec, row["cursor"], _counts(row))


def finish_scan(db: Database, lease: ScanLease) -> bool:
    """The listing has reached its end. False: the scan is no longer ours."""
    with db.statement() as connection:
        return connection.scalar(_FINISH, _fence(lease)) is not None


def fail_scan(db: Database, lease: ScanLease, error: ReelmillError) -> ScanState | None:
    """End our part with an error: a passing one queues the scan again, where it stood. None: no longer ours."""
    values = {
        **_fence(lease),
        "passing": error.transient,
        "max_tries": MAX_TRIES,
        "delay_s": backoff_s(3),
        "code": error.code,
        "message": clean(f"{error.subject}: {error.message}" if error.subject else error.message),
        "next_step": clean(error.next_step),
    }
    with db.statement() as connection:
        state = connection.scalar(_FAIL, values)
    return None if state is None else ScanState(state)


def release_scan(db: Database, lease: ScanLease) -> bool:
    """Give the scan back unharmed (SIGTERM): the next one goes on where it stands. False: no longer ours."""
    with db.statement() as connection:
        return connection.scalar(_RELEASE, _fence(lease)) is not None


def cancel_scan(db: Database, batch_id: UUID) -> bool:
    """No more jobs come from the scan of this batch. False: it had ended, or there is none."""
    with db.statement() as connection:
        return connection.execute(_CANCEL, {"batch_id": batch_id}).rowcount > 0


def resume_scan(db: Database, batch_id: UUID) -> bool:
    """Queue the failed or cancelled scan of this batch again; it goes on where it stopped. False: there is none."""
    with db.statement() as connection:
        return connection.execute(_RESUME, {"batch_id": batch_id}).rowcount > 0


def scan_view(db: Database, batch_id: UUID) -> ScanView | None:
    """The scan of a batch; None for a batch that was submitted job by job."""
    with db.statement() as connection:
        row = connection.execute(text(f"{_VIEW} WHERE batch_id = :id"), {"id": batch_id}).mappings().one_or_none()
    return None if row is None else _view(row)


def list_scans(db: Database, *, most: int = 20) -> tuple[ScanView, ...]:
    """The latest scans, newest first."""
    with db.statement() as connection:
        rows = connection.execute(text(f"{_VIEW} ORDER BY id DESC LIMIT :most"), {"most": most}).mappings()
        return tuple(_view(row) for row in rows)


def _view(row: Mapping[Any, Any]) -> ScanView:
    values = {name: row[name] for name in ScanView.__dataclass_fields__ if name not in ("state", "counts")}
    return ScanView(state=ScanState(row["state"]), counts=_counts(row), **values)


def _counts(row: Mapping[Any, Any]) -> ScanCounts:
    return ScanCounts(**{name: row[name] for name in ScanCounts.__dataclass_fields__})


def _fence(lease: ScanLease) -> dict[str, Any]:
    return {"scan_id": lease.scan_id, "lease_token": lease.lease_token}
