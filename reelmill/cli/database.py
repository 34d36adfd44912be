"""The database itself, for the verbs that the client does not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reelmill.errors import DatabaseUnavailableError
from reelmill.settings import settings

if TYPE_CHECKING:
    from reelmill.ledger.database import Database


def database_url() -> str:
    """Of the settings, else of the embedded Postgres; raises DatabaseUnavailableError."""
    named = settings().database_url
    if named is not None:
        return named.get_secret_value()
    from reelmill.embedded import locate

    found = locate()
    if found is None:
        raise DatabaseUnavailableError("no database is named, and no embedded services run")
    return found.database_url


@contextmanager
def opened_database() -> Iterator[Database]:
    """The ledger, its tables checked; raises DatabaseUnavailableError, SchemaOutOfDateError."""
    from reelmill.ledger.database import Database

    database = Database(database_url(), pool_size=1)
    try:
        database.check_schema()
        yield database
    finally:
        database.close()
