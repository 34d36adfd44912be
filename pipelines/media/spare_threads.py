"""How many threads a file may use: each holds a picture more, and a file's memory does not depend on idle cores."""

from __future__ import annotations

from pipelines.media.types import DecodeLimits

MAX_SHARE = 8
"""Pictures in flight take this part of the memory limit at most, 1 / MAX_SHARE."""
BYTES_PER_PIXEL = 8
"""RGB as it comes (3) and as Pillow lays it out (4); or a decoder's picture, 16-bit 4:4:4 (6) at worst."""


def spare_threads(limits: DecodeLimits, width: int, height: int) -> int:
    """Threads for pictures of this size: `limits.threads`, or fewer where they are large; 1 at least."""
    affordable = limits.memory_bytes // MAX_SHARE // (width * height * BYTES_PER_PIXEL)
    return max(1, min(limits.threads, affordable))
