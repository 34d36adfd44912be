"""What a demuxer says of a damaged container: it skips to where it can read on, and raises nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av.logging


@dataclass(slots=True)
class Complaints:
    """`count` is known when the `with` has ended."""

    count: int = 0


@contextmanager
def complaints(demuxer: str) -> Iterator[Complaints]:
    """Count the errors that FFmpeg logs in this demuxer's name. Not for while something is decoded.

    What parsers and decoders log is left out: they say much of sound files whose first pictures refer to others.
    """
    heard = Complaints()
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=False) as lines:
            yield heard
        heard.count = sum(demuxer in name.split(",") for _, name, _ in lines)
    finally:
        av.logging.set_level(before)
