"""How many threads a file may use: idle cores must not make it need more memory than its limit allows."""

from __future__ import annotations

from pipelines.media.types import DecodeLimits

MAX_SHARE = 4
"""What threads add takes this part of the memory limit at most, 1 / MAX_SHARE."""
STACKS_BYTES = 3 * 8 * 2**20
"""A thread of the decoder, of the conversion to RGB and of the resize; the limit counts their stacks whole."""
BYTES_PER_PIXEL = 13
"""A decoder's picture, 16-bit 4:4:4 (6) at worst, and RGB as it comes (3) and as Pillow lays it out (4)."""


def spare_threads(limits: DecodeLimits, width: int, height: int) -> int:
    """Threads for pictures of this size: `limits.threads`, or fewer where memory is short; 1 at least."""
    affordable = limits.memory_bytes // MAX_SHARE // (STACKS_BYTES + width * height * BYTES_PER_PIXEL)
    return max(1, min(limits.threads, affordable))
