"""Looks for work without a bell: Redis may be away, full or silent for minutes while the ledger has jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Lookout:
    """Runs the slots of this process: those that a bell wakes, and, when no bell comes, some of its own.

    A slot that finds nothing costs one statement, so that an idle worker may look every few seconds.

    Args:
        run_slot: claims and works until nothing is left; returns the number of jobs.
        most: slots at the same time, whoever woke them.
        silence_s: no bell for so long, and it looks by itself; one slot more at each look.
    """

    def __init__(self, run_slot: Callable[[], int], *, most: int, silence_s: float) -> None:
        self._run_slot = run_slot
        self._places = threading.BoundedSemaphore(most)
        self._silence_s = silence_s
        self._heard_at = time.monotonic()
        self._own: list[threading.Thread] = []

    def hear(self) -> None:
        """A bell: run a slot in this thread, if there is a place for one."""
        self._heard_at = time.monotonic()
        if self._places.acquire(blocking=False):
            self._run()

    def look(self) -> None:
        """Called now and then: start a slot of our own, if no bell came for too long and there is a place."""
        self._own = [thread for thread in self._own if thread.is_alive()]
        if time.monotonic() - self._heard_at < self._silence_s or not self._places.acquire(blocking=False):
            return
        thread = threading.Thread(target=self._run, name="lookout-slot", daemon=True)
        self._own.append(thread)
        thread.start()

    def wait(self, timeout_s: float) -> None:
        """Until the slots of our own have returned."""
        ends_at = time.monotonic() + timeout_s
        for thread in self._own:
            thread.join(max(ends_at - time.monotonic(), 0.0))

    def _run(self) -> None:
        try:
            self._run_slot()
        except BaseException:
            # Whatever escaped into Celery would wedge a thread of its pool for good.
            log.exception("a slot ended with an error")
        finally:
            self._places.release()
