"""How Alembic runs here: in the caller's transaction, one migrator at a time, never waiting long for a table.

`reelmill migrate` is the door (`reelmill.ledger.migrate.upgrade`); there is no alembic.ini.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from reelmill.ledger.tables import metadata

MIGRATION_LOCK = 0x7265_656C_6D69_6701
"""An advisory lock of our own: "reelmig" in hexadecimal, and a number."""
WAIT_FOR_OTHER_MIGRATOR_S = 600
WAIT_FOR_TABLE_S = 10
STATEMENT_S = 3600


def _one_at_a_time(connection: Connection) -> None:
    """Held to the end of the transaction; the second migrator then finds nothing left to do."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT_FOR_OTHER_MIGRATOR_S}s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    # A migration that waits for a busy table blocks everybody behind it: give up soon instead.
    connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT_FOR_TABLE_S}s'"))
    connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_S}s'"))
    # A role named `reelmill` would make its tables in the schema of that name, among the views.
    connection.execute(text("SET LOCAL search_path TO public"))


def run() -> None:
    """Migrate on the connection that `reelmill.ledger.migrate` hands over."""
    connection: Connection = context.config.attributes["connection"]
    _one_at_a_time(connection)
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    context.run_migrations()


run()
