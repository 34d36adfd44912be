"""Bells: messages that wake workers. They carry nothing, may be lost, and never hold anybody up."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

TASK_NAME = "reelmill.work"
TIMEOUT_S = 1.0
"""For each step (connect, ask, publish), so that a hung Redis costs a few seconds at most."""
PAUSE_AFTER_FAILURE_S = 10.0
"""Housekeeping rings again every few seconds: no need to try a dead Redis at each submit."""
TRANSPORT = {
    "socket_timeout": TIMEOUT_S,
    "socket_connect_timeout": TIMEOUT_S,
    "retry_on_timeout": False,
    "max_retries": 0,
}


def queue_name(model: str) -> str:
    """The Celery queue (and Redis list) of a model's bells."""
    return f"reelmill.{model}"


class Bells:
    """Rings for a model: at most `max_bells` hang in Redis. Threads may share it.

    Args:
        redis_url: redis://[:password@]host:port/db, rediss:// or unix://.
        max_bells: most bells that hang per model; more would wake workers for nothing.
    """

    def __init__(self, redis_url: str, *, max_bells: int = 64) -> None:
        self._url = redis_url
        self._max_bells = max_bells
        self._quiet_until = 0.0
        self._lock = threading.Lock()
        self._redis: Redis | None = None
        self._app: Any = None

    def ring(self, model: str, wanted: int) -> int:
        """Hang up to `wanted` bells; returns how many. Never raises, and never blocks for more than about 5 s.

        After a failure (logged once) it stays quiet for some seconds.
        """
        try:
            with self._lock:
                # Looked at under the lock: threads that waited for a hung Redis must not each try it again.
                return 0 if wanted <= 0 or time.monotonic() < self._quiet_until else self._ring(model, wanted)
        except Exception as error:  # noqa: BLE001 - whatever Redis, kombu or a socket raises: a bell may be lost
            self._quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE_S
            log.warning(
                "no bell could be rung at %s (%s); workers will find the jobs by themselves", self._place, error
            )
            return 0

    def close(self) -> None:
        """Close the connections; a later ring opens them again."""
        with self._lock, suppress(Exception):
            if self._app is not None:
                self._app.close()
            if self._redis is not None:
                self._redis.close()
        self._app = self._redis = None

    def _ring(self, model: str, wanted: int) -> int:
        queue, redis = queue_name(model), self._connected_redis()
        free = min(wanted, self._max_bells - int(redis.llen(queue)))
        if free <= 0:
            return 0
        self._publish(queue, free)
        # Others may have rung meanwhile. All bells are alike: whichever are cut off, enough remain.
        redis.ltrim(queue, -self._max_bells, -1)
        return free

    def _publish(self, queue: str, count: int) -> None:
        app = self._celery_app()
        with app.producer_pool.acquire(block=True, timeout=TIMEOUT_S) as producer:
            for _ in range(count):
                app.send_task(TASK_NAME, queue=queue, producer=producer, ignore_result=True, retry=False)

    def _connected_redis(self) -> Redis:
        if self._redis is None:
            from redis import Redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            self._redis = Redis.from_url(
                self._url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
            )
        return self._redis

    def _celery_app(self) -> Any:
        if self._app is None:
            from celery import Celery

            self._app = Celery("reelmill.bells", broker=self._url, set_as_current=False)
            self._app.conf.update(
                task_serializer="json",
                accept_content=["json"],
                broker_connection_timeout=TIMEOUT_S,
                broker_connection_retry=False,
                broker_transport_options=TRANSPORT,
                task_publish_retry=False,
            )
        return self._app

    @property
    def _place(self) -> str:
        """The address without the password."""
        parts = urlsplit(self._url)
        return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
