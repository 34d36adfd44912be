"""A worker process of one command: started for it, waited for, drained at its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reelmill.embedded import ServiceUrls
from reelmill.errors import LocalWorkerError
from reelmill.ledger.database import Database
from reelmill.ledger.workers import list_workers
from reelmill.schema import DEFAULT_MODEL

POLL_S = 0.2
DRAIN_S = 60.0
LOG_TAIL_BYTES = 600


@dataclass(frozen=True, slots=True)
class LocalWorker:
    """What to start. `file_roots`: where its media lie; `served_model_name`: what jobs ask for."""

    model: str
    file_roots: Sequence[Path]
    log_path: Path
    served_model_name: str = DEFAULT_MODEL
    concurrency: int = 8

    @contextmanager
    def running(self, urls: ServiceUrls) -> Iterator[Callable[[], None]]:
        """A worker that is ready; gone at the end of the block. Gives a check that raises once it has died.

        Raises:
            LocalWorkerError: it ended before it was ready; says why.
        """
        with self.log_path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command
                self._command(), env=self._environment(urls), stdout=log, stderr=log
            )
        try:
            self._wait_until_ready(process, urls)
            yield lambda: self._check(process)
        finally:
            process.terminate()
            try:
                process.wait(timeout=DRAIN_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _command(self) -> list[str]:
        options = ["--model", self.model, "--served-model-name", self.served_model_name]
        return [sys.executable, "-m", "reelmill", "worker", *options, "--concurrency", str(self.concurrency)]

    def _environment(self, urls: ServiceUrls) -> dict[str, str]:
        spare_cores = max(1, (os.cpu_count() or 2) - 1)
        return os.environ | {
            "REELMILL_DATABASE_URL": urls.database_url,
            "REELMILL_REDIS_URL": urls.redis_url,
            "REELMILL_FILE_ROOTS": json.dumps([str(root) for root in self.file_roots]),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(spare_cores)),
        }

    def _wait_until_ready(self, process: subprocess.Popen[bytes], urls: ServiceUrls) -> None:
        database = Database(urls.database_url, pool_size=1)
        try:
            while not self._is_known(database, process.pid):
                self._check(process)
                time.sleep(POLL_S)
        finally:
            database.close()

    def _check(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is not None:
            raise LocalWorkerError(
                f"ended with status {process.returncode}: {self._last_words()}",
                subject=f"worker with {self.model}",
                next_step=f"Its log is {self.log_path}",
            )

    def _is_known(self, database: Database, pid: int) -> bool:
        return any(
            worker.pid == pid and worker.model == self.served_model_name and worker.retired_at is None
            for worker in list_workers(database)
        )

    def _last_words(self) -> str:
        return self.log_path.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
