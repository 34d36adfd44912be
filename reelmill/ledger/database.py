"""The connection to Postgres: a pool, transactions, and errors that say what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import URL, Connection, TextClause, create_engine, event, make_url, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from reelmill.errors import DatabaseForbiddenError, DatabaseUnavailableError, SchemaOutOfDateError, SettingsError
from reelmill.ledger.patience import PatientConnection
from reelmill.schema import ReelmillError

SCHEMA_VERSION = "0011"
"""The migration that this code is written for; a test keeps it equal to the newest one."""

COMPATIBLE_FROM = "Serves code from version"
"""What the comment of `alembic_version` begins with; a version follows."""
_COMPATIBLE_FROM = text(
    f"""
    SELECT substring(obj_description('public.alembic_version'::regclass, 'pg_class') FROM '^{COMPATIBLE_FROM} (\\d+)')
    """  # noqa: S608 - constant text
)

CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 30.0
IDLE_BEFORE_PING_S = 20.0
_NOT_MIGRATED = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InvalidSchemaName,
)
# A half-open connection is given up within about 15 s instead of the kernel's two hours.
NETWORK_LIMITS = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}


class Database:
    """A pool of connections to the ledger. Threads may share it; forked processes may not.

    Args:
        url: `postgresql://user:password@host:port/name` (also `postgres://`, and sockets as `?host=/dir`).
        pool_size: connections kept; as many again are opened under load.
        silence_s: a connection on which nothing comes back for so long is given up; None waits for ever, as long
            statements of people may want it.
        read_only_s: every transaction is read-only, and its statements may take so many seconds.

    Raises:
        SettingsError: not a Postgres URL.
    """

    def __init__(
        self, url: str, *, pool_size: int = 5, silence_s: float | None = None, read_only_s: float | None = None
    ) -> None:
        self.url = database_url(url)
        self._engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=POOL_TIMEOUT_S,
            pool_use_lifo=True,
            connect_args=_connect_arguments(self.url),
        )
        if silence_s is not None:
            event.listen(self._engine, "do_connect", partial(_connect_patiently, silence_s))
        event.listen(self._engine, "checkin", _note_idle)
        event.listen(self._engine, "checkout", _ping_if_idle)
        if read_only_s is None:
            self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        else:
            # Said to each transaction: a pooler between us and Postgres would forget what is said to a session.
            self._single = self._engine = self._engine.execution_options(postgresql_readonly=True)
            limit = f"SET LOCAL statement_timeout = {round(read_only_s * 1000)}"
            event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql(limit))

    @property
    def name(self) -> str:
        """The URL without its password."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction: commits at the end, rolls back on any exception.

        Raises:
            DatabaseUnavailableError: Postgres does not answer, or cut the connection.
            DatabaseForbiddenError: our role may not do this.
            SchemaOutOfDateError: a table or column is not there.
        """
        with self._typed_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """A connection on which each statement is its own transaction: one round trip. Raises as `transaction`."""
        with self._typed_errors(), self._single.connect() as connection:
            yield connection

    def first(self, statement: TextClause, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first row of a statement that is its own transaction, by column. Raises as `transaction`.

        For what every job asks: SQLAlchemy's way to a row takes four times the CPU of psycopg's. `read_only_s` does not
        hold here.
        """
        with self._typed_errors(), self._autocommitting() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(_as_psycopg(statement), values).fetchone()

    def check_schema(self) -> None:
        """Raise SchemaOutOfDateError unless this code works with the tables as they are.

        They are those that it is written for, or newer ones that say that they serve it too (docs/deploy.md, "Draining
        and upgrades").
        """
        with self.transaction() as connection:
            found = connection.scalar(text("SELECT to_regclass('public.alembic_version')"))
            version = connection.scalar(text("SELECT version_num FROM public.alembic_version")) if found else None
            oldest = connection.scalar(_COMPATIBLE_FROM) if found else None
        if version is None:
            raise SchemaOutOfDateError("the tables are not there yet", subject=self.name)
        if version < SCHEMA_VERSION:
            message = f"the tables are at version {version}, this reelmill needs {SCHEMA_VERSION}"
            raise SchemaOutOfDateError(message, subject=self.name)
        oldest = oldest or version
        if oldest > SCHEMA_VERSION:
            serve = f"the tables are at version {version} and serve code from version {oldest} on"
            message = f"{serve}, this reelmill is of version {SCHEMA_VERSION}"
            raise SchemaOutOfDateError(message, subject=self.name, next_step="Install a newer reelmill")

    def close(self) -> None:
        """Close the idle connections; the database can be used again afterwards."""
        self._engine.dispose()

    @contextmanager
    def _autocommitting(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of the pool as psycopg has it. Where it turns out dead, so are those beside it: all go."""
        pooled = self._engine.raw_connection()
        connection: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
        try:
            connection.autocommit = True
            yield connection
            connection.autocommit = False
        except BaseException as error:
            lost = connection.closed
            pooled.invalidate(error)
            if lost:
                self._engine.dispose()
            raise
        finally:
            pooled.close()

    @contextmanager
    def _typed_errors(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as error:
            advice = "Give the pool more connections, or look for statements that hang"
            message = f"all {self._engine.pool.size()} connections were busy for {POOL_TIMEOUT_S} s"  # type: ignore[attr-defined]
            raise DatabaseUnavailableError(message, subject=self.name, next_step=advice) from error
        except DBAPIError as error:
            typed = self._typed(error.orig, lost=error.connection_invalidated)
            if typed is None:
                raise
            raise typed from error
        except psycopg.Error as error:
            typed = self._typed(error, lost=False)
            if typed is None:
                raise
            raise typed from error

    def _typed(self, error: BaseException | None, *, lost: bool) -> ReelmillError | None:
        if isinstance(error, _NOT_MIGRATED):
            return SchemaOutOfDateError(_first_line(error), subject=self.name)
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return DatabaseForbiddenError(_first_line(error), subject=self.name)
        if lost or isinstance(error, psycopg.OperationalError):
            return DatabaseUnavailableError(_first_line(error), subject=self.name)
        return None


def database_url(url: str) -> URL:
    """Read a Postgres URL for psycopg 3; raises SettingsError (which never shows the password)."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingsError(
            "not a Postgres URL", subject="REELMILL_DATABASE_URL", next_step="postgresql://user:password@host:5432/name"
        )
    return parsed.set(drivername="postgresql+psycopg")


def _connect_arguments(url: URL) -> dict[str, Any]:
    """What the URL says goes before our own limits."""
    arguments = {"application_name": "reelmill", **NETWORK_LIMITS}
    return {name: value for name, value in arguments.items() if name not in url.query}


def _connect_patiently(
    silence_s: float, dialect: Any, entry: Any, arguments: Any, parameters: Any
) -> PatientConnection:
    return PatientConnection.open(silence_s, *arguments, **parameters)


def _note_idle(connection: Any, entry: ConnectionPoolEntry) -> None:
    entry.info["idle_since"] = time.monotonic()


def _ping_if_idle(connection: Any, entry: ConnectionPoolEntry, proxy: Any) -> None:
    """A connection that lay idle may be dead; a busy one is not asked, which saves a round trip per statement."""
    if time.monotonic() - entry.info.get("idle_since", time.monotonic()) < IDLE_BEFORE_PING_S:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error


@cache
def _as_psycopg(statement: TextClause) -> str:
    """With psycopg's placeholders; made once, as the constant that the statement is."""
    return str(statement.compile(dialect=PGDialect_psycopg()))  # type: ignore[no-untyped-call]


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].removesuffix(".") if lines else type(error).__name__
