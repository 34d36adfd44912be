"""Real worker processes for tests: started, waited for, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

REPOSITORY = Path(__file__).parents[1]
TINY_MODEL = REPOSITORY / "tests" / "golden" / "internvl2_5-qwen2"
SHAPES_MODEL = REPOSITORY / "demo" / "model"


@dataclass
class WorkerUnderTest:
    """A worker process of our own to kill, and where it logs to."""

    process: subprocess.Popen[bytes]
    log_path: Path

    def kill(self) -> None:
        """SIGKILL, to the worker and whatever it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)

    def terminate(self, timeout_s: float = 60) -> int:
        """SIGTERM to the worker alone; returns its exit status."""
        self.process.terminate()
        return self.process.wait(timeout=timeout_s)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")


@contextmanager
def running_worker(
    log_path: Path, model: Path = TINY_MODEL, arguments: list[str] | None = None, **settings: str
) -> Iterator[WorkerUnderTest]:
    """A worker that is ready to work; dead at the end of the block, whatever happened in it."""
    environment = os.environ | {f"REELMILL_{name.upper()}": value for name, value in settings.items()}
    environment |= {"OMP_NUM_THREADS": "1", "REELMILL_MODEL": str(model), "CUDA_VISIBLE_DEVICES": ""}
    command = arguments or [sys.executable, "-m", "reelmill", "worker", "--model", str(model)]
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=REPOSITORY
        )
    worker = WorkerUnderTest(process, log_path)
    try:
        _wait_until_ready(worker)
        yield worker
    finally:
        if process.poll() is None:
            worker.kill()


def _wait_until_ready(worker: WorkerUnderTest) -> None:
    def ready() -> bool:
        if worker.process.poll() is not None:
            raise AssertionError(f"the worker died at its start:\n{worker.log()}")
        return "worker ready" in worker.log()

    wait_until(ready, timeout_s=90, why=worker.log)


def wait_until(condition: Callable[[], bool], timeout_s: float = 60, why: Callable[[], str] = str) -> None:
    """Poll until the condition holds."""
    ends_at = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > ends_at:
            raise AssertionError(f"not within {timeout_s} s\n{why()}")
        time.sleep(0.05)


def rows(database_url: str, query: str, *values: object) -> list[tuple[object, ...]]:
    """What an analyst would see."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        return connection.execute(query, values).fetchall()  # type: ignore[arg-type]
