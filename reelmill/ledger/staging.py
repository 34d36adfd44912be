"""Inserting jobs and their media: a few by one statement, many by COPY through a staging table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID

import psycopg
from sqlalchemy import Connection, text

from reelmill.ledger.job_rows import JobRow
from reelmill.ledger.text import to_json

_COLUMNS = """
    id uuid, model text, priority smallint, max_attempts integer, client_token text,
    labels text, tasks text, sampling text, generation text, media text[]
"""
_NAMES = ", ".join(JobRow._fields)
_MAKE_STAGING = f"CREATE TEMPORARY TABLE staged ({_COLUMNS}) ON COMMIT DROP"
# Nothing is known of a table just made: without these Postgres compiles the statement and sorts on disk.
_FOR_BULK = ("SET LOCAL jit = off", "SET LOCAL work_mem = '64MB'")
_COPY = f"COPY staged ({_NAMES}) FROM STDIN"

# Ordered: new ids rise, so the inserts go to the right end of each index; rows with tokens go in the order of the
# tokens, so that two submissions that share some cannot wait for each other.
_INSERT = """
    inserted AS (
        INSERT INTO jobs (id, batch_id, model, priority, max_attempts, client_token, labels, tasks, sampling,
                          generation)
        SELECT id, :batch_id, model, priority, max_attempts, client_token, labels::jsonb, tasks::jsonb,
               sampling::jsonb, generation::jsonb
        FROM staged ORDER BY client_token, id
        ON CONFLICT (client_token) DO NOTHING
        RETURNING id
    ), inserted_media AS (
        INSERT INTO media (job_id, ordinal, uri)
        SELECT staged.id, place - 1, uri
        FROM inserted JOIN staged USING (id), unnest(staged.media) WITH ORDINALITY AS listed(uri, place)
        ORDER BY staged.id, place
    )
    SELECT count(*) FROM inserted
"""
_INSERT_STAGED = text(f"WITH {_INSERT}")
_GIVEN = f"SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given({_COLUMNS})"  # noqa: S608 - constant text
_INSERT_FEW = text(f"WITH staged AS MATERIALIZED ({_GIVEN}), {_INSERT}")


def insert_few(connection: Connection, rows: Sequence[JobRow], batch_id: UUID | None, ids: list[UUID] | None) -> int:
    """Insert by one statement; appends each row's job id to `ids`. Returns how many jobs are new."""
    document = to_json([{**row._asdict(), "id": str(row.id)} for row in rows])
    accepted = connection.scalar(_INSERT_FEW, {"rows": document, "batch_id": batch_id}) or 0
    if ids is not None:
        ids.extend(row.id for row in rows)
        tokens = [row.client_token for row in rows]
        if accepted < len(rows):
            _point_to_known(connection, ids, dict(zip(ids, tokens, strict=True)))
    return accepted


def copy_into_staging(connection: Connection, rows: Iterable[JobRow], ids: list[UUID] | None) -> None:
    """Stream rows into a temporary table of this transaction; memory does not grow with their number."""
    for statement in (_MAKE_STAGING, *_FOR_BULK):
        connection.exec_driver_sql(statement)
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)
            if ids is not None:
                ids.append(row.id)


def insert_staged(connection: Connection, batch_id: UUID | None, ids: list[UUID] | None) -> int:
    """Insert what was staged; points `ids` at the jobs that had a token already. Returns how many jobs are new."""
    accepted = connection.scalar(_INSERT_STAGED, {"batch_id": batch_id}) or 0
    if ids is not None and accepted < len(ids):
        tokens = connection.execute(text("SELECT id, client_token FROM staged WHERE client_token IS NOT NULL"))
        _point_to_known(connection, ids, {row.id: row.client_token for row in tokens})
    return accepted


def _point_to_known(connection: Connection, ids: list[UUID], tokens: dict[UUID, str | None]) -> None:
    """Replace the ids of rows that were not inserted by those of the jobs that have their tokens."""
    asked = [token for token in tokens.values() if token is not None]
    rows = connection.execute(
        text("SELECT client_token, id FROM jobs WHERE client_token = ANY(:asked)"), {"asked": asked}
    )
    owners = {row.client_token: row.id for row in rows}
    ids[:] = [owners.get(tokens.get(job_id), job_id) for job_id in ids]
