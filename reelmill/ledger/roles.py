"""What a database role may do: producers submit, workers work, others read. Granted by the tables' owner.

PostgreSQL manual, "GRANT", "ALTER DEFAULT PRIVILEGES" and "ALTER ROLE".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, text

from reelmill.errors import DatabaseForbiddenError, RoleError
from reelmill.ledger.database import Database

TABLES = "public"
VIEWS = "reelmill"
READER_TIMEOUT_S = 60
LIMITS = ("default_transaction_read_only", "statement_timeout", "search_path")
# What cancelling and retrying change; leases and results are for workers alone.
_RETRIED = (
    "state, run_at, queued_at, finished_at, cancel_requested_at, transient_failures, crashes, "
    "error_code, error_message, error_next_step"
)


class Access(StrEnum):
    """What a role is for.

    producer: submits, follows, cancels and retries jobs, keeps schedules and reads everything; writes no results and
        takes no leases.
    worker: reads and changes every row, but no table.
    reader: reads the views of the schema `reelmill`, nothing else; read-only transactions with a time limit.
    viewer: reads tables too, in the same way: what `reelmill serve`, `report` and `results` need.
    """

    PRODUCER = "producer"
    WORKER = "worker"
    READER = "reader"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class _Role:
    """A role and the database, quoted for use in statements."""

    role: str
    database: str


def grant(db: Database, role: str, access: Access) -> None:
    """Give a role this access, in place of what an earlier call gave it. Tables of later migrations are included.

    Raises:
        RoleError: there is no such role, or it is a superuser or owns the tables.
        DatabaseForbiddenError: we are not the owner of the tables, or (readers) may not alter the role.
    """
    with db.transaction() as connection:
        quote = connection.dialect.identifier_preparer.quote
        _check(connection, role)
        named = _Role(quote(role), quote(db.url.database or ""))
        for statement in (*_lift_limits(connection, role, named), *_take_all(named), *_GIVE[access](named)):
            connection.exec_driver_sql(statement)


def give_login(db: Database, role: str, password: str) -> None:
    """Make a role that may log in, or give the one of this name this password. It has no rights yet: see `grant`.

    Raises:
        DatabaseForbiddenError: we may not make roles.
    """
    with db.transaction() as connection:
        named = connection.dialect.identifier_preparer.quote(role)
        exists = connection.scalar(text("SELECT true FROM pg_roles WHERE rolname = :role"), {"role": role})
        verb = "ALTER" if exists else "CREATE"
        connection.exec_driver_sql(f"{verb} ROLE {named} LOGIN PASSWORD '{_hashed(connection, role, password)}'")


def _hashed(connection: Connection, role: str, password: str) -> str:
    """As Postgres keeps it, so that the password itself is in no log of statements; it has no quotes."""
    driver = connection.connection.driver_connection
    if driver is None:
        raise RuntimeError("the connection is closed")
    hashed: bytes = driver.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return hashed.decode()


def _check(connection: Connection, role: str) -> None:
    query = text(
        """
        SELECT rolsuper, pg_roles.oid = relowner AS is_owner, pg_has_role(relowner, 'USAGE') AS we_own
        FROM pg_roles, pg_class WHERE rolname = :role AND pg_class.oid = 'public.jobs'::regclass
        """
    )
    found = connection.execute(query, {"role": role}).one_or_none()
    if found is None:
        next_step = f'CREATE ROLE "{role}" LOGIN PASSWORD …, then try again'
        raise RoleError("there is no such role", subject=role, next_step=next_step)
    if found.rolsuper or found.is_owner:
        what = "is a superuser" if found.rolsuper else "owns the tables"
        raise RoleError(f"it {what}: nothing can be kept from it", subject=role, next_step="Make a role for this alone")
    if not found.we_own:
        # Postgres itself would only warn, and give nothing.
        raise DatabaseForbiddenError(
            "only the owner of the tables can give rights to them", subject=role, next_step="Connect as the owner"
        )


def _lift_limits(connection: Connection, role: str, named: _Role) -> list[str]:
    """What readers and viewers were limited by; nobody else needs the right to alter roles for it."""
    query = text(
        """
        SELECT unnest(setconfig) FROM pg_db_role_setting
        WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = :role)
          AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
        """
    )
    given = {setting.partition("=")[0] for setting in connection.scalars(query, {"role": role})}
    return [f"ALTER ROLE {named.role} IN DATABASE {named.database} RESET {name}" for name in LIMITS if name in given]


def _take_all(named: _Role) -> Iterator[str]:
    for schema in (TABLES, VIEWS):
        yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {named.role}"
        yield f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE ALL ON TABLES FROM {named.role}"
        yield f"REVOKE ALL ON SCHEMA {schema} FROM {named.role}"
    yield f"REVOKE TEMPORARY ON DATABASE {named.database} FROM {named.role}"


def _open(named: _Role, schema: str, privileges: str) -> Iterator[str]:
    yield f"GRANT USAGE ON SCHEMA {schema} TO {named.role}"
    yield f"GRANT {privileges} ON ALL TABLES IN SCHEMA {schema} TO {named.role}"
    yield f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {privileges} ON TABLES TO {named.role}"


def _give_producer(named: _Role) -> Iterator[str]:
    yield f"GRANT CONNECT, TEMPORARY ON DATABASE {named.database} TO {named.role}"
    yield from _open(named, TABLES, "SELECT")
    yield from _open(named, VIEWS, "SELECT")
    yield f"GRANT INSERT ON batches, jobs, media, scans, scan_problems, notifications, exports TO {named.role}"
    yield f"GRANT UPDATE ({_RETRIED}) ON jobs TO {named.role}"
    yield f"GRANT UPDATE ON scans TO {named.role}"
    yield f"GRANT UPDATE (url) ON notifications TO {named.role}"
    yield f"GRANT UPDATE (state, tries, as_of, finished_at) ON exports TO {named.role}"
    yield f"GRANT INSERT, UPDATE, DELETE ON schedules, schedule_runs TO {named.role}"


def _give_worker(named: _Role) -> Iterator[str]:
    yield f"GRANT CONNECT, TEMPORARY ON DATABASE {named.database} TO {named.role}"
    yield from _open(named, TABLES, "SELECT, INSERT, UPDATE, DELETE")
    yield from _open(named, VIEWS, "SELECT")
    yield f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {named.role}"


def _give_reader(named: _Role) -> Iterator[str]:
    yield from _limit(named)
    yield from _open(named, VIEWS, "SELECT")
    yield f"ALTER ROLE {named.role} IN DATABASE {named.database} SET search_path = {VIEWS}"


def _give_viewer(named: _Role) -> Iterator[str]:
    yield from _limit(named)
    yield from _open(named, TABLES, "SELECT")
    yield from _open(named, VIEWS, "SELECT")


def _limit(named: _Role) -> Iterator[str]:
    yield f"GRANT CONNECT ON DATABASE {named.database} TO {named.role}"
    yield f"ALTER ROLE {named.role} IN DATABASE {named.database} SET default_transaction_read_only = on"
    yield f"ALTER ROLE {named.role} IN DATABASE {named.database} SET statement_timeout = '{READER_TIMEOUT_S}s'"


_GIVE = {
    Access.PRODUCER: _give_producer,
    Access.WORKER: _give_worker,
    Access.READER: _give_reader,
    Access.VIEWER: _give_viewer,
}
