"""What is decoded and not yet used up: counted in bytes, so that decoding can wait for it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.cancellation import Cancellation
from pipelines.media.types import Tiles

CANCELLATION_POLL_S = 0.1
_FADES = 0.9
"""What the largest media expected next shrinks by with each that is smaller."""


class LiveTiles:
    """Tiles that somebody still holds, an array or any view of it. Safe from many threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._coming = 0
        # Unknown before the first: it comes alone.
        self._expected: float | None = None
        # Its lock is one that a thread may take twice: the garbage collector may let go of tiles at any line.
        self._changed = threading.Condition()

    @property
    def bytes(self) -> int:
        """Bytes that are held now."""
        return self._bytes

    def watch(self, tiles: Tiles) -> None:
        """Count an array until nobody holds it or a view of it."""
        with self._changed:
            self._expected = max(tiles.nbytes, _FADES * (self._expected or 0))
            self._add(tiles.nbytes)
        owner = tiles if tiles.base is None else tiles.base
        weakref.finalize(owner, self._add, -tiles.nbytes).atexit = False

    @contextmanager
    def room(self, cancellation: Cancellation | None = None) -> Iterator[None]:
        """Wait until less than `max_bytes` is held, with what others in their rooms are expected to bring.

        Together no more is held than `max_bytes` and one media, as far as media are like those before them.

        Raises:
            CancelledError: `cancellation` was set.
        """
        with self._changed:
            while not self._fits_one_more():
                if cancellation is not None:
                    cancellation.check()
                self._changed.wait(CANCELLATION_POLL_S)
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1
                self._expected = self._expected or 0
                self._changed.notify_all()

    def _fits_one_more(self) -> bool:
        if self._coming == 0:
            return self._bytes < self._max_bytes
        return self._expected is not None and self._bytes + self._coming * self._expected < self._max_bytes

    def _add(self, size: int) -> None:
        with self._changed:
            self._bytes += size
            self._changed.notify_all()
