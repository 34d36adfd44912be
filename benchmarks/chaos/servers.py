"""Postgres and Redis of the bench alone: killed, frozen and started again at the same ports, on the same data."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from benchmarks._processes import children
from reelmill.embedded import postgres_server, redis_server
from reelmill.embedded.account import ServiceAccount
from reelmill.embedded.postgres_server import PostgresServer, postgres_answers
from reelmill.embedded.redis_server import RedisServer
from reelmill.embedded.services import ROOTS_SHARED_DIR
from reelmill.errors import EmbeddedServicesError

START_S = 60.0
RETRY_S = 0.3


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers and their ports. Whoever stops one starts it again."""

    postgres: PostgresServer
    postgres_port: int
    redis: RedisServer
    redis_port: int

    @property
    def database_url(self) -> str:
        """Of the server itself, for the bench; workers and clients come through a proxy."""
        return self.postgres.url(self.postgres_port)

    @property
    def redis_url(self) -> str:
        return self.redis.url(self.redis_port)

    def kill_postgres(self) -> None:
        """SIGKILL to all of its processes: as a power cut, but for the disk."""
        pid = int((self.postgres.root / "postgres" / "postmaster.pid").read_text().split()[0])
        with suppress(OSError):
            victims = [pid, *children(pid)]
            for victim in victims:
                _signal(victim, signal.SIGKILL)

    def start_postgres(self) -> None:
        """Until it answers: what the killed one left in shared memory may take a moment to go."""
        ends_at = time.monotonic() + START_S
        while True:
            try:
                self.postgres.start(self.postgres_port)
            except EmbeddedServicesError:
                if time.monotonic() > ends_at:
                    raise
            if postgres_answers(self.database_url):
                return
            time.sleep(RETRY_S)

    def kill_redis(self) -> None:
        _signal(self.redis_pid(), signal.SIGKILL)

    def start_redis(self) -> None:
        self.redis.start(self.redis_port)

    def redis_pid(self) -> int:
        return int((self.redis.root / "redis.pid").read_text())

    def redis_client(self) -> Redis:
        """Straight to the server."""
        return Redis.from_url(self.redis_url, socket_timeout=10)


@contextmanager
def own_servers(root: Path) -> Iterator[Servers]:
    """Both servers below `root`, dead with all of it however this process ends."""
    account = ServiceAccount.current()
    account.own(root)
    programs = (root if account.is_caller else ROOTS_SHARED_DIR) / "programs"
    password = root / "password"
    password.write_text("chaos")
    account.own(password)
    servers = Servers(
        PostgresServer(account, postgres_server.WHEEL.programs_for(account, programs), root, "chaos"),
        free_port(),
        RedisServer(account, redis_server.WHEEL.programs_for(account, programs), root, "chaos"),
        free_port(),
    )
    command = [sys.executable, "-m", "benchmarks.chaos.reaper", str(root)]
    reaper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        servers.start_postgres()
        servers.start_redis()
        yield servers
    finally:
        reaper.communicate(timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
