"""The worker processes: started, signalled, and started again when they end, as a service manager would."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.chaos.endings import reason_in
from benchmarks.chaos.worker import LOAD_SECONDS

READY = "worker ready"
LOOKS_EVERY_S = 0.2
MODULE = "benchmarks.chaos.worker"


class Fleet:
    """Keeps `size` workers running until it is closed. Its own thread starts them: they die with that.

    Args:
        spared: so many of them are never sent a signal that kills or drains.
    """

    def __init__(self, size: int, logs: Path, environment: Mapping[str, str], spared: int = 0) -> None:
        self._size, self._logs, self._environment, self._spared = size, logs, dict(environment), spared
        self._lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._log_of: dict[int, Path] = {}
        self._leaving: set[int] = set()
        self._closed = threading.Event()
        self._started = 0
        self.load_s = 0.0
        """How long the model of the next one takes to load."""
        self.endings: dict[str, int] = {}
        self._thread = threading.Thread(target=self._keep, name="fleet")
        self._thread.start()

    def spared(self) -> list[int]:
        """Process ids of those that no fault ends."""
        return self._alive(range(self._spared))

    def mortal(self) -> list[int]:
        """Process ids of all others."""
        return self._alive(range(self._spared, self._size))

    def pick(self, rng: random.Random, wanted: Collection[int], *, mortal: bool = True) -> int | None:
        """One that is ready for jobs, of the wanted ones if any of them is.

        Those that are still starting, or told to leave, would hide what the others do under it.
        """
        pids = self.mortal() if mortal else self._alive(range(self._size))
        ready = sorted(pid for pid in pids if pid not in self._leaving and READY in self._log(pid))
        return rng.choice([pid for pid in ready if pid in wanted] or ready) if ready else None

    def send(self, pid: int, number: signal.Signals) -> None:
        """To the worker alone; its decoders notice by themselves."""
        if number == signal.SIGTERM:
            self._leaving.add(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def wait_ready(self, timeout_s: float) -> None:
        """Until every one has said that it is ready. Raises TimeoutError."""
        ends_at = time.monotonic() + timeout_s
        while True:
            logs = [self._log(pid) for pid in self._alive(range(self._size))]
            if len(logs) == self._size and all(READY in log for log in logs):
                return
            if time.monotonic() > ends_at:
                raise TimeoutError("the workers did not start:\n" + "\n".join(log[-2000:] for log in logs))
            time.sleep(LOOKS_EVERY_S)

    def logs(self) -> tuple[str, ...]:
        """Of all that ever ran."""
        return tuple(path.read_text(errors="replace") for path in sorted(self._logs.iterdir()))

    def close(self) -> None:
        """SIGTERM to all, SIGKILL after a while."""
        self._closed.set()
        self._thread.join()

    def _log(self, pid: int) -> str:
        return self._log_of[pid].read_text(errors="replace")

    def _alive(self, places: range) -> list[int]:
        with self._lock:
            found = [self._running[place] for place in places if place in self._running]
        return [process.pid for process in found if process.poll() is None]

    def _keep(self) -> None:
        while not self._closed.wait(LOOKS_EVERY_S):
            for place in range(self._size):
                process = self._running.get(place)
                if process is None or process.poll() is not None:
                    self._note_end(process)
                    with self._lock:
                        self._running[place] = self._start()
        self._end_all()

    def _note_end(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is not None:
            self._count(reason_in(self._log(process.pid), process.returncode))

    def _count(self, ending: str) -> None:
        self.endings[ending] = self.endings.get(ending, 0) + 1

    def _start(self) -> subprocess.Popen[bytes]:
        self._started += 1
        environment = self._environment | {LOAD_SECONDS: str(self.load_s)}
        path = self._logs / f"worker-{self._started:04}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._log_of[process.pid] = path
        return process

    def _end_all(self) -> None:
        processes = list(self._running.values())
        for process in processes:
            self.send(process.pid, signal.SIGCONT)
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._count("did not drain")
                process.kill()
                process.wait()
