"""The decoder process under test: the real one, which some pictures kill, hang or bloat.

The sandbox comes first, as in the real one: nothing here imports what starts threads.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.media import child

MARK = b"reelmill-chaos:"
HANGS_S = 600.0
BLOAT_BYTES = 2**26


def _answer(channel: socket.socket, body: bytes, tile_file: Any) -> Any:
    """The real answer, unless the file carries a mark."""
    path = json.loads(body)["path"]
    _, marked, kind = Path(path).read_bytes().rpartition(MARK) if path else (b"", b"", b"")
    if marked and kind == b"CRASHES_DECODER":
        os.kill(os.getpid(), signal.SIGSEGV)
    if marked and kind == b"HANGS_DECODER":
        time.sleep(HANGS_S)
    if marked and kind == b"BLOATS_DECODER":
        with _bloated():
            return _real_answer(channel, body, tile_file)
    return _real_answer(channel, body, tile_file)


@contextmanager
def _bloated() -> Iterator[None]:
    """Memory is taken where the real decoders take it, until there is none."""
    from pipelines.media import extract

    real = extract.extract
    extract.extract = _bloat  # type: ignore[assignment]
    try:
        yield
    finally:
        extract.extract = real


def _bloat(*_: Any) -> Any:
    hoard = []
    while True:
        hoard.append(bytearray(BLOAT_BYTES))


_real_answer = child._answer

if __name__ == "__main__":
    child._answer = _answer
    child.main(sys.argv[1:])
