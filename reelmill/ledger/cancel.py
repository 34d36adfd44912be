"""Cancelling jobs, and giving those that failed another chance."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.exc import IntegrityError

from reelmill.ledger.database import Database
from reelmill.ledger.scans import cancel_scan, resume_scan

CHUNK_JOBS = 10_000
"""Jobs changed by one transaction: heartbeats wait for its locks."""
TWIN_RETRIES = 5

# Locked in the order of their ids, as heartbeats do: two that lock many rows cannot wait for each other.
_CANCEL = """
    WITH chosen AS (
        SELECT id FROM jobs
        WHERE {which} AND (state = 'queued' OR state = 'running' AND cancel_requested_at IS NULL)
        ORDER BY id LIMIT :most FOR NO KEY UPDATE
    ), changed AS (
        UPDATE jobs
        SET cancel_requested_at = now(),
            state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
            finished_at = CASE state WHEN 'queued' THEN now() END
        FROM chosen WHERE jobs.id = chosen.id
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM chosen) AS chosen, (SELECT count(*) FROM changed) AS changed
"""
# One active job per fingerprint: where another one is at it already, this one stays as it is.
_RETRY = """
    WITH chosen AS (
        SELECT id, fingerprint FROM jobs
        WHERE {which} AND state IN ('failed', 'cancelled')
          AND NOT EXISTS (SELECT FROM jobs AS twin WHERE twin.fingerprint = jobs.fingerprint
                          AND twin.state IN ('queued', 'running'))
        ORDER BY id LIMIT :most FOR NO KEY UPDATE
    ), one_of_each AS (
        SELECT DISTINCT ON (coalesce(fingerprint, id)) id FROM chosen ORDER BY coalesce(fingerprint, id), id DESC
    ), changed AS (
        UPDATE jobs
        SET state = 'queued', transient_failures = 0, crashes = 0, cancel_requested_at = NULL,
            run_at = now(), queued_at = now(), finished_at = NULL,
            error_code = NULL, error_message = NULL, error_next_step = NULL
        FROM one_of_each WHERE jobs.id = one_of_each.id
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM chosen) AS chosen, (SELECT count(*) FROM changed) AS changed
"""
_OF_BATCH = "batch_id = :batch_id"
_OF_LIST = "id = ANY(:job_ids)"


def cancel(db: Database, *, job_ids: Collection[UUID] = (), batch_id: UUID | None = None) -> int:
    """Cancel the jobs of a batch, or these jobs: queued ones at once, running ones soon, those at their end never.

    Returns how many were told. Running ones reach `cancelled` when their worker hears of it with its next heartbeat.
    The batch's scan is cancelled first, so that no job comes after.
    """
    if batch_id is not None:
        cancel_scan(db, batch_id)
    return _in_chunks(db, _CANCEL, job_ids, batch_id)


def retry_failed(db: Database, *, job_ids: Collection[UUID] = (), batch_id: UUID | None = None) -> int:
    """Queue failed and cancelled jobs again, their counts of failures and crashes forgotten; returns how many.

    A job whose fingerprint another one has, that is queued or running, is left alone. The batch's scan goes on too
    where it failed or was cancelled.
    """
    if batch_id is not None:
        resume_scan(db, batch_id)
    return _in_chunks(db, _RETRY, job_ids, batch_id)


def _in_chunks(db: Database, statement: str, job_ids: Collection[UUID], batch_id: UUID | None) -> int:
    total: int = 0
    query = _which(statement, batch_id)
    values = {"most": CHUNK_JOBS, "batch_id": batch_id} if batch_id else {"most": CHUNK_JOBS, "job_ids": list(job_ids)}
    while True:
        row = _change(db, query, values)
        total += row.changed
        if row.chosen < CHUNK_JOBS:
            return total


def _change(db: Database, query: TextClause, values: dict[str, Any]) -> Row[Any]:
    """One chunk. A scan may insert a twin of a job while it is retried: looked at again, it is seen."""
    for _ in range(TWIN_RETRIES):
        with suppress(IntegrityError), db.statement() as connection:
            return connection.execute(query, values).one()
    with db.statement() as connection:
        return connection.execute(query, values).one()


def _which(statement: str, batch_id: UUID | None) -> TextClause:
    return text(statement.format(which=_OF_BATCH if batch_id else _OF_LIST))
