"""A worker whose database goes away while its model loads."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from benchmarks.instant import InstantBackend
from reelmill.embedded import ServiceUrls
from reelmill.ledger.database import Database
from reelmill.ledger.workers import list_workers
from reelmill.settings import Settings, load_settings
from tests.services import with_database
from worker import process
from worker.process import WorkerProcess

AWAY_S = 1.0


def test_a_model_that_is_loaded_waits_for_a_database_that_is_away(
    mill: ServiceUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "REGISTER_RETRY_S", 0.1)
    loads: list[str] = []

    def load(_: Settings) -> InstantBackend:
        loads.append("loaded")
        _let_in(mill.database_url, anybody=False)
        threading.Timer(AWAY_S, _let_in, [mill.database_url], {"anybody": True}).start()
        return InstantBackend()

    started = WorkerProcess.start(load_settings(), load)
    started.leave()
    started.stop()

    assert loads == ["loaded"]
    database = Database(mill.database_url, pool_size=1)
    assert [worker.model for worker in list_workers(database)] == ["default"]
    database.close()


def _let_in(database_url: str, *, anybody: bool) -> None:
    """Cut all connections to the database, and refuse new ones; or allow them again."""
    name = urlsplit(database_url).path.removeprefix("/")
    with psycopg.connect(with_database(database_url, "postgres"), autocommit=True) as owner:
        allowed = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        owner.execute(allowed.format(sql.Identifier(name), sql.SQL("true" if anybody else "false")))
        owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
