"""How Alembic runs here: in the caller's transaction, one migrator at a time, never waiting long for a table.

`reelmill migrate` is the door (`reelmill.ledger.migrate.upgrade`); there is no alembic.ini.
"""

from __future__ import annotations

from alembic import context
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from reelmill.ledger.database import COMPATIBLE_FROM
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


def _say_whom_it_serves(connection: Connection) -> None:
    """Leave in the database which code works with these tables: `Database.check_schema` of older code reads it.

    That is what each revision says in `compatible_from`, and none serves code that an earlier one did not serve.
    """
    script = ScriptDirectory.from_config(context.config)
    applied = script.iterate_revisions(context.get_context().get_current_revision(), "base")
    oldest = max(getattr(revision.module, "compatible_from", revision.revision) for revision in applied)
    connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{COMPATIBLE_FROM} {oldest}'"))


def run() -> None:
    """Migrate on the connection that `reelmill.ledger.migrate` hands over."""
    connection: Connection = context.config.attributes["connection"]
    _one_at_a_time(connection)
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    context.run_migrations()
    _say_whom_it_serves(connection)


run()
