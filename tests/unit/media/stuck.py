"""A file that nobody finishes writing, and waiting for what other processes bring about."""

import os
import time
from collections.abc import Callable
from pathlib import Path


class StuckFile:
    """A file whose reading hangs, like one on a dead network mount: a pipe into which nobody writes."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._writer = -1

    def wait_for_reader(self) -> None:
        """Until somebody reads, and goes on waiting for bytes."""
        eventually(self._has_reader)

    def release(self, data: bytes = b"") -> None:
        """Write, and end the file."""
        if self._writer >= 0:
            os.write(self._writer, data)
            os.close(self._writer)
            self._writer = -1

    def _has_reader(self) -> bool:
        try:
            self._writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        return True


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that other processes bring about."""
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came about")
