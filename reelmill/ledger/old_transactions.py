"""Transactions that stay open: what is behind them cannot be cleaned up, and every claim passes all of it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from reelmill.ledger.database import Database


@dataclass(frozen=True, slots=True)
class OldTransaction:
    """One of this database. `name` is that of its application, or else of its user; `idle`: it does nothing."""

    pid: int
    name: str
    age_s: float
    idle: bool


def old_transactions(db: Database, *, older_than_s: float) -> list[OldTransaction]:
    """Those that are open for longer, the oldest first; of other users only where the role may see them."""
    statement = text(
        """
        SELECT pid, coalesce(nullif(application_name, ''), usename) AS name, state LIKE 'idle%' AS idle,
               extract(epoch FROM now() - xact_start)::float8 AS age_s
        FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend'
          AND xact_start < now() - make_interval(secs => :older_than_s)
        ORDER BY xact_start
        """
    )
    with db.statement() as connection:
        rows = connection.execute(statement, {"older_than_s": older_than_s}).mappings()
        return [OldTransaction(**row) for row in rows]
