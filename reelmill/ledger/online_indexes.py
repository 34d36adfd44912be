"""Indexes that are built while the mill works: CREATE INDEX CONCURRENTLY, which cannot be part of a migration.

A table of a hundred million rows takes minutes to index, and a migration would hold every writer up for so long. An
index of the metadata that is marked `info=ONLINE` is built after the revisions instead, outside any transaction. What a
cut-off build leaves behind is invalid: the next `reelmill migrate` drops and builds it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Index, text
from sqlalchemy.schema import CreateIndex

from reelmill.ledger.database import Database
from reelmill.ledger.tables import metadata
from reelmill.ledger.tables.columns import ONLINE

BUILD_LOCK = 0x7265_656C_6D69_6702
LOOK_EVERY_S = 0.2
_VALID = text(
    """
    SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relname = :name AND relnamespace = 'public'::regnamespace
    """
)


def build_online_indexes(db: Database) -> list[str]:
    """Build those that are missing, one after the other; returns their names. Several processes may ask at once."""
    built = []
    with db.statement() as connection, _one_builder(connection):
        connection.execute(text("SET search_path TO public"))
        for index in online_indexes():
            valid = connection.scalar(_VALID, {"name": index.name})
            if valid is False:
                connection.execute(text(f"DROP INDEX CONCURRENTLY {index.name}"))
            if not valid:
                connection.exec_driver_sql(_concurrently(connection, index))
                # Only ANALYZE tells the planner how frequent the words of an expression are.
                connection.execute(text(f"ANALYZE {index.table}"))
                built.append(str(index.name))
        connection.execute(text("RESET search_path"))
    return built


def online_indexes() -> list[Index]:
    """Those that are marked so, by name."""
    marked = [
        index for table in metadata.sorted_tables for index in table.indexes if ONLINE.items() <= index.info.items()
    ]
    return sorted(marked, key=lambda index: str(index.name))


def _concurrently(connection: Connection, index: Index) -> str:
    return str(CreateIndex(index).compile(dialect=connection.dialect)).replace(" INDEX ", " INDEX CONCURRENTLY ", 1)


@contextmanager
def _one_builder(connection: Connection) -> Iterator[None]:
    """Asked for again and again: a statement that waits here is a transaction that the other build waits for."""
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": BUILD_LOCK}):
        time.sleep(LOOK_EVERY_S)
    try:
        yield
    finally:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": BUILD_LOCK})
