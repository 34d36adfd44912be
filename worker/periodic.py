"""A thread that does one thing every few seconds, and survives its failures."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from reelmill.schema import ReelmillError

log = structlog.get_logger(__name__)


class Periodic:
    """Calls `action` at once and then every `every_s` seconds until stopped."""

    def __init__(self, name: str, every_s: float, action: Callable[[], None]) -> None:
        self._every_s = every_s
        self._action = action
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the call under way; waits for it."""
        self._stopped.set()
        self._thread.join(timeout=10.0)

    def run(self) -> None:
        """Do it in the calling thread, until stopped from another one."""
        while not self._stopped.is_set():
            try:
                self._action()
            except ReelmillError as error:
                # The database may be away for a minute; the next call finds out.
                log.warning("periodic work failed", thread=self._thread.name, error=str(error))
            except Exception:
                log.exception("periodic work failed", thread=self._thread.name)
            self._stopped.wait(self._every_s)
