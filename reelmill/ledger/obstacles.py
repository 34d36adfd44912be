"""What queued jobs are waiting for: a worker that serves their model, or their next try."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from reelmill.ledger.database import Database

ALIVE_S = 30.0
"""A worker that was silent for longer is not counted on; heartbeats come every few seconds."""
OLDEST_JOBS = 1000
"""Looked at, so that the answer costs the same for a million queued jobs."""


@dataclass(frozen=True, slots=True)
class QueuedForModel:
    """Jobs that wait for one model.

    Attributes:
        model: the name that they ask for.
        jobs: how many of the oldest OLDEST_JOBS ask for it.
        ready: those among them that could run now; the others wait for their next try.
        next_try_s: seconds until the first that is not ready becomes so; None when all are ready.
        workers: processes that serve it and were heard of within ALIVE_S.
    """

    model: str
    jobs: int
    ready: int
    next_try_s: float | None
    workers: int


def queued_for_models(
    db: Database, *, batch_id: UUID | None = None, job_id: UUID | None = None
) -> list[QueuedForModel]:
    """The queued jobs of a batch (or this job) by model, those without a worker first."""
    which = "batch_id = :id" if batch_id else "id = :id"
    statement = text(
        f"""
        WITH oldest AS (
            SELECT model, run_at FROM jobs WHERE {which} AND state = 'queued' ORDER BY id LIMIT :most
        ), waiting AS (
            SELECT model, count(*) AS jobs, count(*) FILTER (WHERE run_at <= now()) AS ready,
                   extract(epoch FROM min(run_at) FILTER (WHERE run_at > now()) - now())::float8 AS next_try_s
            FROM oldest GROUP BY model
        )
        SELECT waiting.*, (
            SELECT count(*) FROM workers
            WHERE workers.model = waiting.model AND retired_at IS NULL
              AND last_seen_at >= now() - make_interval(secs => :alive_s)
        ) AS workers
        FROM waiting ORDER BY workers, model
        """  # noqa: S608 - constant text
    )
    values = {"id": batch_id or job_id, "most": OLDEST_JOBS, "alive_s": ALIVE_S}
    with db.statement() as connection:
        return [QueuedForModel(**row) for row in connection.execute(statement, values).mappings()]
