"""SIGTERM in a flag: slots stop claiming, and after the grace time what still runs is given back."""

from __future__ import annotations

import threading

import structlog

from worker.leases import Leases

log = structlog.get_logger(__name__)


class Drain:
    """Set once. Running jobs get `grace_s` seconds to end; then they are stopped and their leases released."""

    def __init__(self, leases: Leases, grace_s: float) -> None:
        self._leases = leases
        self._grace_s = grace_s
        self._started = threading.Event()

    @property
    def started(self) -> bool:
        """Whether the worker is on its way out."""
        return self._started.is_set()

    def start(self) -> None:
        """Begin to drain; safe to call from a signal handler and more than once."""
        if not self._started.is_set():
            self._started.set()
            timer = threading.Timer(self._grace_s, self._give_back)
            timer.daemon = True
            timer.start()

    def _give_back(self) -> None:
        tokens = self._leases.tokens()
        log.info("giving back what cannot finish in time", jobs=len(tokens))
        self._leases.stop(tokens, "draining")
