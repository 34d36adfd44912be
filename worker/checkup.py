"""Are the worker processes of this machine alive, and ready for jobs? What `reelmill health` asks."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reelmill.settings import Settings
from worker.pulse import ProcessRecord, born_at, health_dir, read_record, record_path


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found.

    Attributes:
        processes: records of the processes that run.
        not_live: why something should be restarted; empty when all is well.
        not_ready: why jobs are not worked as they should be; empty when all is well.
    """

    processes: tuple[ProcessRecord, ...]
    not_live: tuple[str, ...]
    not_ready: tuple[str, ...]


def check_up(settings: Settings) -> Checkup:
    """Read the records of this machine's worker processes; those of dead ones do not count."""
    paths = sorted(health_dir(settings).glob(f"{socket.gethostname()}-*.json"))
    read = (read_record(path) for path in paths)
    running = tuple(record for record in read if record is not None and born_at(record.pid) == record.born_at)
    if not running:
        nothing = (f"no worker process runs here (looked in {health_dir(settings)})",)
        return Checkup((), nothing, nothing)
    now = time.monotonic()
    not_live = tuple(_silent(running, now))
    return Checkup(running, not_live, (*not_live, *_not_ready(running, now)))


def silent_since(settings: Settings, pid: int) -> float | None:
    """When a process of this machine last said that it runs (monotonic clock).

    None when nobody can tell: it left no record, or records cannot be written here (this process's own is old too).
    """
    ours, theirs = (_record_of(settings, one) for one in (os.getpid(), pid))
    if ours is None or theirs is None or time.monotonic() - ours.beat_at > ours.stale_after_s / 2:
        return None
    return theirs.beat_at


def _record_of(settings: Settings, pid: int) -> ProcessRecord | None:
    record = read_record(record_path(settings, pid))
    return record if record is not None and born_at(pid) == record.born_at else None


def _silent(running: Sequence[ProcessRecord], now: float) -> Iterator[str]:
    for record in running:
        if now - record.beat_at > record.stale_after_s:
            yield f"{record.role} {record.pid} has been silent for {now - record.beat_at:.0f} s"


def _not_ready(running: Sequence[ProcessRecord], now: float) -> Iterator[str]:
    for record in running:
        if record.state != "ready":
            yield f"{record.role} {record.pid} is {record.state}"
        elif record.role == "supervisor":
            replicas = sum(other.parent_pid == record.pid for other in running)
            if replicas < record.replicas:
                yield f"{replicas} of {record.replicas} processes run below supervisor {record.pid}"
        elif record.database_at is None or now - record.database_at > record.stale_after_s:
            yield f"worker {record.pid} does not reach its database"
