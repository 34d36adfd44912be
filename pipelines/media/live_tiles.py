"""What is decoded and not yet used up: counted in bytes, so that decoding can wait for it."""

from __future__ import annotations

import threading
import weakref

from pipelines.cancellation import Cancellation
from pipelines.media.types import Tiles

CANCELLATION_POLL_S = 0.1


class LiveTiles:
    """Tiles that somebody still holds, an array or any view of it. Safe from many threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        # Its lock is one that a thread may take twice: the garbage collector may let go of tiles at any line.
        self._changed = threading.Condition()

    @property
    def bytes(self) -> int:
        """Bytes that are held now."""
        return self._bytes

    def watch(self, tiles: Tiles) -> None:
        """Count an array until nobody holds it or a view of it."""
        self._add(tiles.nbytes)
        owner = tiles if tiles.base is None else tiles.base
        weakref.finalize(owner, self._add, -tiles.nbytes).atexit = False

    def wait_for_room(self, cancellation: Cancellation | None = None) -> None:
        """Return once less than `max_bytes` is held.

        Raises:
            CancelledError: `cancellation` was set.
        """
        with self._changed:
            while self._bytes >= self._max_bytes:
                if cancellation is not None:
                    cancellation.check()
                self._changed.wait(CANCELLATION_POLL_S)

    def _add(self, size: int) -> None:
        with self._changed:
            self._bytes += size
            self._changed.notify_all()
