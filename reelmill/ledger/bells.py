"""For whom the bells ring: which models have jobs ready."""

from __future__ import annotations

from sqlalchemy import text

from reelmill.ledger.database import Database
from reelmill.schema import DEFAULT_MODEL

# Submitting takes no other model names than these; counting stops at the limit.
_READY = text(
    """
    SELECT model, ready
    FROM (SELECT name AS model FROM models UNION SELECT :default_model) AS known,
         LATERAL (
             SELECT count(*) AS ready FROM (
                 SELECT FROM jobs
                 WHERE state = 'queued' AND jobs.model = known.model AND run_at <= now()
                 LIMIT :most
             ) AS first_ones
         ) AS counted
    WHERE ready > 0
    """
)


def queued_by_model(db: Database, limit: int) -> dict[str, int]:
    """How many jobs are ready to run, by model; no more than `limit` of each are counted."""
    with db.statement() as connection:
        rows = connection.execute(_READY, {"default_model": DEFAULT_MODEL, "most": limit})
        return {row.model: row.ready for row in rows}
