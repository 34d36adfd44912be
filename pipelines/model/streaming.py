"""An answer while it is generated."""

from __future__ import annotations

import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Listener:
    """Tells `write` what is new in an answer that grows. What goes wrong with it is nobody else's business."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write: Callable[[str], None] | None = write
        self._told = ""

    def hear(self, answer: str) -> None:
        """Hear all of it so far. Where an answer starts over, what was told already is not told again."""
        if self._write is None or answer == self._told or not answer.startswith(self._told):
            return
        try:
            self._write(answer[len(self._told) :])
        except Exception:  # noqa: BLE001 - whatever a listener does, its neighbours are generated with it
            _log.warning("a listener failed and is told nothing more; its answer goes on", exc_info=True)
            self._write = None
        self._told = answer
