"""A ledger for each test: the module's database, emptied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from reelmill.ledger.database import Database

# What belongs to a job goes with it. Much faster than TRUNCATE of a dozen tables.
ROOTS = ("jobs", "batches", "workers", "models")


@pytest.fixture(scope="module")
def _module_db(module_database_url: str) -> Iterator[Database]:
    db = Database(module_database_url, pool_size=10)
    yield db
    db.close()


@pytest.fixture
def db(_module_db: Database) -> Database:
    with _module_db.transaction() as connection:
        for table in ROOTS:
            connection.execute(text(f"DELETE FROM {table}"))
    return _module_db
