"""Real services for tests: their start, their certain end, and databases made from a migrated template."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from reelmill.embedded import ServiceUrls, up

# Ends when the write end of its standard input closes: at the end of the tests, after Ctrl-C, and after kill -9.
REAPER = """
import shutil, sys
from pathlib import Path
from reelmill.embedded import down
sys.stdin.read()
home = Path(sys.argv[1])
try:
    down(home, purge=True)
finally:
    shutil.rmtree(home, ignore_errors=True)
"""


@contextmanager
def embedded_services(*, durable: bool = False) -> Iterator[ServiceUrls]:
    """Embedded Postgres and Redis of this process alone, gone without a trace however this process ends.

    `durable` leaves fsync on, as in production: benchmarks want it, tests are quicker without.
    """
    home = Path(tempfile.mkdtemp(prefix="reelmill-tests-"))
    reaper = subprocess.Popen(
        [sys.executable, "-c", REAPER, str(home)], stdin=subprocess.PIPE, start_new_session=True, cwd="/"
    )
    try:
        urls = up(home)
        if not durable:
            _without_fsync(urls.database_url)
        yield urls
    finally:
        reaper.communicate(timeout=60)


@dataclass(frozen=True)
class Databases:
    """Makes databases on one server as copies of a migrated template, and drops them."""

    server_url: str
    template: str

    @classmethod
    @contextmanager
    def on(cls, server_url: str) -> Iterator[Databases]:
        template = f"reelmill_template_{os.getpid()}"
        _execute(server_url, "CREATE DATABASE {}", template)
        try:
            _migrate(with_database(server_url, template))
            yield cls(server_url, template)
        finally:
            _execute(server_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", template)

    @contextmanager
    def fresh(self, name: str) -> Iterator[str]:
        """The URL of a migrated, empty database that lives as long as the block."""
        database = f"reelmill_{os.getpid()}_{name}"[:63]
        _execute(self.server_url, "CREATE DATABASE {} TEMPLATE {}", database, self.template)
        try:
            yield with_database(self.server_url, database)
        finally:
            _execute(self.server_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database)

    @contextmanager
    def empty(self, name: str) -> Iterator[str]:
        """The URL of a database without any table, for tests of the migrations themselves."""
        database = f"reelmill_{os.getpid()}_empty_{name}"[:63]
        _execute(self.server_url, "CREATE DATABASE {}", database)
        try:
            yield with_database(self.server_url, database)
        finally:
            _execute(self.server_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database)


@dataclass(frozen=True)
class S3Server:
    """An S3 server over HTTP. `environment` is what a process needs to reach it; this one has it set already."""

    endpoint_url: str
    bucket: str
    client: Any
    environment: dict[str, str]

    def put(self, key: str, content: bytes | Path) -> str:
        """Store an object, return its s3:// URI."""
        body = content.read_bytes() if isinstance(content, Path) else content
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"


def with_database(url: str, database: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _migrate(url: str) -> None:
    from reelmill.ledger.migrate import upgrade

    upgrade(url)


def _without_fsync(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")


def _execute(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))
