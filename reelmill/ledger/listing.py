"""Which jobs a batch holds."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text

from reelmill.ledger.database import Database
from reelmill.schema import JobState


def list_jobs(
    db: Database, batch_id: UUID, *, most: int, states: Collection[JobState] = tuple(JobState)
) -> dict[UUID, JobState]:
    """The first jobs of a batch that are in one of these states, in the order of submission."""
    statement = text(
        """
        SELECT id, state FROM jobs WHERE batch_id = :batch_id AND state = ANY(:states) ORDER BY id LIMIT :most
        """
    )
    values = {"batch_id": batch_id, "states": [state.value for state in states], "most": most}
    with db.statement() as connection:
        return {row.id: JobState(row.state) for row in connection.execute(statement, values)}
