"""Cancelling jobs, and giving those that failed another chance."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import TextClause, text

from reelmill.ledger.database import Database

CHUNK_JOBS = 10_000
"""Jobs changed by one transaction: heartbeats wait for its locks."""

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
    SELECT count(*) FROM changed
"""
_RETRY = """
    WITH chosen AS (
        SELECT id FROM jobs
        WHERE {which} AND state IN ('failed', 'cancelled')
        ORDER BY id LIMIT :most FOR NO KEY UPDATE
    ), changed AS (
        UPDATE jobs
        SET state = 'queued', transient_failures = 0, crashes = 0, cancel_requested_at = NULL,
            run_at = now(), queued_at = now(), finished_at = NULL,
            error_code = NULL, error_message = NULL, error_next_step = NULL
        FROM chosen WHERE jobs.id = chosen.id
        RETURNING 1
    )
    SELECT count(*) FROM changed
"""
_OF_BATCH = "batch_id = :batch_id"
_OF_LIST = "id = ANY(:job_ids)"


def cancel(db: Database, *, job_ids: Collection[UUID] = (), batch_id: UUID | None = None) -> int:
    """Cancel the jobs of a batch, or these jobs: queued ones at once, running ones soon, those at their end never.

    Returns how many were told. Running ones reach `cancelled` when their worker hears of it with its next heartbeat.
    """
    return _in_chunks(db, _CANCEL, job_ids, batch_id)


def retry_failed(db: Database, *, job_ids: Collection[UUID] = (), batch_id: UUID | None = None) -> int:
    """Queue failed and cancelled jobs again, their counts of failures and crashes forgotten; returns how many."""
    return _in_chunks(db, _RETRY, job_ids, batch_id)


def _in_chunks(db: Database, statement: str, job_ids: Collection[UUID], batch_id: UUID | None) -> int:
    total = 0
    query = _which(statement, batch_id)
    values = {"most": CHUNK_JOBS, "batch_id": batch_id} if batch_id else {"most": CHUNK_JOBS, "job_ids": list(job_ids)}
    while True:
        with db.statement() as connection:
            changed = connection.scalar(query, values) or 0
        total += changed
        if changed < CHUNK_JOBS:
            return total


def _which(statement: str, batch_id: UUID | None) -> TextClause:
    return text(statement.format(which=_OF_BATCH if batch_id else _OF_LIST))
