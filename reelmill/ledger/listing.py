"""Which jobs a batch holds: a page of them at a time, by key, so that the last page costs what the first does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text

from reelmill.ledger.database import Database
from reelmill.ledger.text import clean, clean_or_none, to_json
from reelmill.schema import JobState
from reelmill.schema.results import MediaKind

_CONDITIONS = {
    "batch_id": "batch_id = :batch_id",
    "alone": "batch_id IS NULL",
    "after": "id > :after",
    "before": "id < :before",
    "error_code": "error_code = :error_code",
    "labels": "labels @> CAST(:labels AS jsonb)",
    "kind": "EXISTS (SELECT FROM media WHERE job_id = jobs.id AND ordinal = 0 AND kind = :kind)",
}


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs.

    Attributes:
        batch_id: None for the jobs that were submitted alone.
        kind: of their first media; known once a worker has read it.
        labels: they have all of these.
    """

    batch_id: UUID | None
    states: Collection[JobState] = tuple(JobState)
    kind: MediaKind | None = None
    labels: dict[str, str] = field(default_factory=dict)
    error_code: str | None = None


def list_jobs(
    db: Database, wanted: JobFilter, *, most: int, after: UUID | None = None, before: UUID | None = None
) -> dict[UUID, JobState]:
    """A page of jobs in the order of submission: the first after `after`, or the last before `before`."""
    given = _given(wanted, after, before)
    conditions = " AND ".join(_CONDITIONS[name] for name in given)
    order = "DESC" if before else "ASC"
    # Each state has its ordered stretch of the index: none is read further than the page.
    statement = text(
        f"""
        SELECT found.id, found.state FROM unnest(CAST(:states AS text[])) AS of(state)
        CROSS JOIN LATERAL (
            SELECT id, state FROM jobs WHERE state = of.state AND {conditions} ORDER BY id {order} LIMIT :most
        ) AS found
        ORDER BY found.id {order} LIMIT :most
        """  # noqa: S608 - constant text
    )
    values = {**given, "states": [state.value for state in wanted.states], "most": most}
    with db.statement() as connection:
        rows = connection.execute(statement, values).all()
    return {row.id: JobState(row.state) for row in (reversed(rows) if before else rows)}


def _given(wanted: JobFilter, after: UUID | None, before: UUID | None) -> dict[str, Any]:
    """The values of the conditions that are asked for."""
    values = {
        "batch_id": wanted.batch_id,
        "alone": wanted.batch_id is None or None,
        "after": after,
        "before": before,
        "error_code": clean_or_none(wanted.error_code),
        "labels": to_json({clean(key): clean(value) for key, value in wanted.labels.items()})
        if wanted.labels
        else None,
        "kind": wanted.kind,
    }
    return {name: value for name, value in values.items() if value is not None}
