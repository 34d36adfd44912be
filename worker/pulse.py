"""A file per process that says "I am well": what `reelmill health` reads, without a database or a port."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Self

import structlog

from reelmill.settings import Settings

log = structlog.get_logger(__name__)
Role = Literal["worker", "supervisor"]
State = Literal["loading", "ready", "draining"]


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What a process says of itself. Times are seconds of the machine's monotonic clock.

    Attributes:
        born_at: start time of the process in clock ticks; with the pid it names the process beyond doubt.
        replicas: how many worker processes a supervisor keeps; 0 for a worker.
        stale_after_s: silent for so long, it is not well.
    """

    role: Role
    pid: int
    parent_pid: int
    born_at: int
    model: str
    state: State
    replicas: int
    beat_at: float
    database_at: float | None
    stale_after_s: float


class Pulse:
    """Writes the record of this process; threads may share it. A directory that cannot be written costs one warning.

    Stale means silent for as long as a lease lives: by then the ledger has given its jobs to others.
    """

    def __init__(self, settings: Settings, *, role: Role = "worker", replicas: int = 0) -> None:
        self._path = record_path(settings, os.getpid())
        self._lock = threading.Lock()
        self._warned = False
        self._record = ProcessRecord(
            role=role,
            pid=os.getpid(),
            parent_pid=os.getppid(),
            born_at=born_at(os.getpid()) or 0,
            model=settings.served_model_name,
            state="loading",
            replicas=replicas,
            beat_at=time.monotonic(),
            database_at=None,
            stale_after_s=settings.lease_s,
        )

    def start(self) -> Self:
        """Write the first record, and clear away those of processes that were killed."""
        with suppress(OSError):
            for path in self._path.parent.glob(f"{socket.gethostname()}-*.json"):
                record = read_record(path)
                if record is None or born_at(record.pid) != record.born_at:
                    path.unlink(missing_ok=True)
        self.beat()
        return self

    def beat(self) -> None:
        """Say that this process runs."""
        with self._lock:
            self._write(replace(self._record, beat_at=time.monotonic()))

    def saw_database(self) -> None:
        """Say that the database has just answered; the next beat carries it."""
        with self._lock:
            self._record = replace(self._record, database_at=time.monotonic())

    def become(self, state: State) -> None:
        """Say what this process does now."""
        with self._lock:
            self._write(replace(self._record, state=state, beat_at=time.monotonic()))

    def stop(self) -> None:
        """This process is on its way out: take the record away."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self, record: ProcessRecord) -> None:
        self._record = record
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            half = self._path.with_suffix(".new")
            half.write_text(json.dumps(asdict(record)))
            half.replace(self._path)
        except OSError as error:
            if not self._warned:
                log.warning(
                    "`reelmill health` cannot see this process", error=str(error), setting="REELMILL_HEALTH_DIR"
                )
            self._warned = True


def health_dir(settings: Settings) -> Path:
    """Where the records of this machine's processes are."""
    return settings.health_dir or settings.home / "health"


def record_path(settings: Settings, pid: int) -> Path:
    """Where the record of a process of this machine is."""
    return health_dir(settings) / f"{socket.gethostname()}-{pid}.json"


def read_record(path: Path) -> ProcessRecord | None:
    """The record in this file; None if it is gone or not one that this version writes."""
    try:
        return ProcessRecord(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def born_at(pid: int) -> int | None:
    """When a process started, in clock ticks since the machine did (proc(5), stat); None: there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
