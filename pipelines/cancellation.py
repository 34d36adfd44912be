"""A flag that a job's stages look at: set once, from any thread."""

from __future__ import annotations

import threading

from pipelines.errors import CancelledError


class Cancellation:
    """Cooperative cancellation of one job; checked between stages and between generated tokens."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the job's stages to stop at their next look."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether the job should stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise CancelledError if the job should stop."""
        if self._event.is_set():
            raise CancelledError("cancelled")
