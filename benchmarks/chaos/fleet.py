"""The worker processes: started, signalled, and started again when they end, as a service manager would."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.chaos.worker import LOAD_SECONDS

READY = "worker ready"
LOOKS_EVERY_S = 0.2
MODULE = "benchmarks.chaos.worker"


class Fleet:
    """Keeps `size` workers running until it is closed. Its own thread starts them: they die with that."""

    def __init__(self, size: int, logs: Path, environment: Mapping[str, str]) -> None:
        self._size, self._logs, self._environment = size, logs, dict(environment)
        self._lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._log_of: dict[int, Path] = {}
        self._closed = threading.Event()
        self._started = 0
        self.load_s = 0.0
        """How long the model of the next one takes to load."""
        self.endings: dict[str, int] = {}
        self._thread = threading.Thread(target=self._keep, name="fleet")
        self._thread.start()

    def pids(self) -> list[int]:
        """Of those that run now."""
        with self._lock:
            return [process.pid for process in self._running.values() if process.poll() is None]

    def pick(self, rng: random.Random) -> int | None:
        """One that is ready for jobs: those that are still starting would hide what the others do under it."""
        pids = sorted(pid for pid, log in self._logs_by_pid().items() if READY in log.read_text(errors="replace"))
        return rng.choice(pids) if pids else None

    def send(self, pid: int, number: signal.Signals) -> None:
        """To the worker alone; its decoders notice by themselves."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def wait_ready(self, timeout_s: float) -> None:
        """Until every one has said that it is ready. Raises TimeoutError."""
        ends_at = time.monotonic() + timeout_s
        while True:
            logs = [log.read_text(errors="replace") for log in self._logs_by_pid().values()]
            if len(logs) == self._size and all(READY in log for log in logs):
                return
            if time.monotonic() > ends_at:
                raise TimeoutError("the workers did not start:\n" + "\n".join(log[-2000:] for log in logs))
            time.sleep(LOOKS_EVERY_S)

    def close(self) -> None:
        """SIGTERM to all, SIGKILL after a while."""
        self._closed.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._closed.wait(LOOKS_EVERY_S):
            for place in range(self._size):
                process = self._running.get(place)
                if process is None or process.poll() is not None:
                    self._note_end(process)
                    with self._lock:
                        self._running[place] = self._start()
        self._end_all()

    def _logs_by_pid(self) -> dict[int, Path]:
        return {pid: self._log_of[pid] for pid in self.pids()}

    def _note_end(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is not None:
            status = process.returncode
            ending = signal.Signals(-status).name if status < 0 else f"status {status}"
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
                self.endings["did not drain"] = self.endings.get("did not drain", 0) + 1
                process.kill()
                process.wait()
