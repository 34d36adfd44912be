"""Everything that a fault may lay hands on."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos.evidence import Look
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.pictures import Kind
from benchmarks.chaos.producer import Producer
from benchmarks.chaos.proxy import TcpProxy
from benchmarks.chaos.servers import Servers
from benchmarks.chaos.storage import Storage
from reelmill import Client


class SkippedError(Exception):
    """The fault cannot be injected here; says why."""


@dataclass(frozen=True, slots=True)
class World:
    """The bench's services, workers and producer.

    Attributes:
        database_proxy: on the workers' way to Postgres; the producer has one of its own.
        disk: where workers download to: a small file system of its own, or None where none could be mounted.
        lease_s: how long a silent worker keeps its jobs.
    """

    root: Path
    servers: Servers
    database_proxy: TcpProxy
    producer_proxy: TcpProxy
    redis_proxy: TcpProxy
    storage: Storage
    fleet: Fleet
    producer: Producer
    client: Client
    environment: dict[str, str]
    disk: Path | None
    lease_s: float
    over: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float) -> None:
        """So long, or until the bench is over."""
        self.over.wait(seconds)


def ask(world: World, kind: Kind) -> None:
    """Have a job of this kind submitted. Raises SkippedError: as many as may be wait for it already."""
    if not world.producer.ask_for(kind):
        raise SkippedError("the producer is behind")


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to hurt.

    Attributes:
        family: faults of one family are injected one after the other, those of different ones at the same time.
        how: what is done, for the table.
        expected: what should become of the jobs.
        inject: does it, and repairs what does not repair itself.
        look: whether the expected happened, in a run of this fault alone.
    """

    name: str
    family: str
    how: str
    expected: str
    inject: Callable[[World, random.Random], str | None]
    look: Look


@dataclass
class Journal:
    """Prints every fault with its time, and counts them."""

    started_at: float = field(default_factory=time.monotonic)
    counts: Counter[str] = field(default_factory=Counter)
    details: dict[str, list[str]] = field(default_factory=dict)

    def note(self, name: str, detail: str | None = None) -> None:
        self.counts[name] += 1
        self.details.setdefault(name, []).append(detail or "")
        self.say(f"{name}{': ' + detail if detail else ''}")

    def say(self, words: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self.started_at:8.1f} s  {words}\n")
        sys.stdout.flush()
