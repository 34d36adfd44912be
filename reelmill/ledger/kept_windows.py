"""Kept windows: finished windows of a long video are kept while its job runs, for an attempt that comes after it."""

from __future__ import annotations

import json
from functools import cache

from pydantic import TypeAdapter
from sqlalchemy import text

from reelmill.ledger.database import Database
from reelmill.ledger.lease import Lease
from reelmill.schema import JobResult

_KEEP = text(
    """
    WITH fenced AS (
        SELECT id FROM jobs WHERE id = :job_id AND lease_token = :lease_token AND state = 'running'
        FOR NO KEY UPDATE
    ), kept AS (
        INSERT INTO kept_windows (job_id, segment, key, document)
        SELECT fenced.id, :segment, :key, :document FROM fenced
        ON CONFLICT (job_id, segment) DO UPDATE SET key = EXCLUDED.key, document = EXCLUDED.document
    )
    SELECT count(*) FROM fenced
    """
)
_KEPT = text("SELECT document FROM kept_windows WHERE job_id = :job_id AND key = :key ORDER BY segment")


def keep_windows(db: Database, lease: Lease, key: str, found: JobResult) -> bool:
    """Keep what was found of some windows, in a transaction of its own. False: the job is no longer ours.

    Args:
        key: equal only where an attempt would find the same; another key's windows are not taken over.
        found: the windows' segments and rows.
    """
    values = {
        "job_id": lease.job_id,
        "lease_token": lease.lease_token,
        "segment": found.segments[0].ordinal,
        "key": key,
        # Escaped, as text: JSONB would refuse what a model may say.
        "document": json.dumps(_adapter().dump_python(found, mode="json")),
    }
    with db.statement() as connection:
        return bool(connection.scalar(_KEEP, values))


def kept_windows(db: Database, lease: Lease, key: str) -> tuple[JobResult, ...]:
    """What earlier attempts kept under this key, in the order of time."""
    with db.statement() as connection:
        documents = connection.scalars(_KEPT, {"job_id": lease.job_id, "key": key}).all()
    return tuple(_adapter().validate_python(json.loads(document)) for document in documents)


@cache
def _adapter() -> TypeAdapter[JobResult]:
    return TypeAdapter(JobResult)
