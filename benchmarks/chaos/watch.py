"""Does anything grow: memory and open files of the workers that no fault ends, connections of Postgres, over time.

Sampled every few seconds, as long as faults are injected. The verdict compares the median of the last quarter of the
time with that of the second: the first one still warms up, and a single sample may meet a fault.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

import psycopg
from redis import RedisError

from benchmarks._processes import held
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.servers import Servers

EVERY_S = 5.0
BYTES_PER_MB = 2**20
ROUGHLY = 3
"""Digits of a ratio."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look, all spared workers together; None where a server did not answer just then."""

    at_s: float
    worker_mb: float
    decoders_mb: float
    open_files: int
    threads: int
    connections: int | None
    redis_mb: float | None


class Watch:
    """A thread that takes samples between `start` and `stop`."""

    def __init__(self, fleet: Fleet, servers: Servers) -> None:
        self._fleet, self._servers = fleet, servers
        self._pids = fleet.spared()
        self._samples: list[Sample] = []
        self._stopped = threading.Event()
        self._started_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="watch")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> dict[str, Any]:
        """The verdict."""
        self._stopped.set()
        self._thread.join()
        return verdict(self._samples) | {"workers": len(self._pids), "restarts": self._restarts()}

    def _restarts(self) -> int:
        return len(set(self._pids) - set(self._fleet.spared()))

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            with suppress(OSError):
                self._samples.append(self._sample())

    def _sample(self) -> Sample:
        """Raises OSError: a watched process is gone."""
        found = [held(pid) for pid in self._pids]
        return Sample(
            at_s=time.monotonic() - self._started_at,
            worker_mb=sum(each.process_mb for each in found),
            decoders_mb=sum(each.children_mb for each in found),
            open_files=sum(each.open_files for each in found),
            threads=sum(each.threads for each in found),
            connections=_or_none(self._connections),
            redis_mb=_or_none(self._redis_mb),
        )

    def _connections(self) -> float:
        statement = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        with psycopg.connect(self._servers.database_url, connect_timeout=2) as connection:
            found = connection.execute(statement).fetchone()
        return found[0] if found else 0

    def _redis_mb(self) -> float:
        with self._servers.redis_client() as client:
            return float(client.info("memory")["used_memory"]) / BYTES_PER_MB


def verdict(samples: Sequence[Sample]) -> dict[str, Any]:
    """For each number its medians in the second and the last quarter of the time, their ratio, and the most seen."""
    found: dict[str, Any] = {"samples": len(samples)}
    for name in (field.name for field in fields(Sample) if field.name != "at_s"):
        second, last, every = (_values(samples, name, *part) for part in ((0.25, 0.5), (0.75, 1.0), (0.0, 1.0)))
        if second and last:
            before, after = statistics.median(second), statistics.median(last)
            found[name] = {
                "second_quarter": round(before, 1),
                "last_quarter": round(after, 1),
                "ratio": round(after / before, ROUGHLY) if before else None,
                "most": round(max(every), 1),
            }
    return found


def _values(samples: Sequence[Sample], name: str, start: float, end: float) -> list[float]:
    part = samples[int(len(samples) * start) : int(len(samples) * end)]
    return [value for sample in part if (value := getattr(sample, name)) is not None]


def _or_none(ask: Callable[[], float]) -> Any:
    try:
        return ask()
    except (psycopg.Error, RedisError, OSError):
        return None
