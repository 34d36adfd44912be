"""Pictures that carry a number, a version and a kind in black and white squares, and how to read them back."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 8
"""Squares per row: 64 bits in all, 16 of them a checksum."""
SQUARE_PX = 8
WHITE = 128
"""From this brightness on."""
_FIELDS = struct.Struct(">IBB")
MARK = b"reelmill-chaos:"


class Kind(IntEnum):
    """What the picture does to whoever works it. Those from CRASHES_DECODER on act inside the decoder."""

    PLAIN = 0
    SLOW = 1
    KILLS = 2
    NO_MEMORY = 3
    CRASHES_DECODER = 10
    HANGS_DECODER = 11
    BLOATS_DECODER = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """What one says. `version` counts how often the object under its name was replaced."""

    number: int
    version: int = 0
    kind: Kind = Kind.PLAIN

    def png(self) -> bytes:
        """The file; kinds that act inside the decoder are marked behind its end, where no decoder looks."""
        bits = np.unpackbits(np.frombuffer(self._bytes(), np.uint8)).reshape(SIDE, SIDE)
        image = Image.fromarray((bits * 255).astype(np.uint8)).resize((SIDE * SQUARE_PX,) * 2, Image.Resampling.NEAREST)
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "PNG")
        mark = MARK + self.kind.name.encode() if self.kind >= Kind.CRASHES_DECODER else b""
        return buffer.getvalue() + mark

    def _bytes(self) -> bytes:
        fields = _FIELDS.pack(self.number, self.version, self.kind)
        return fields + struct.pack(">H", zlib.crc32(fields) & 0xFFFF)


class UnreadableError(ValueError):
    """Tiles that are no picture of ours, or of several at once."""


def read(tile: npt.NDArray[np.uint8]) -> Picture:
    """The picture that this tile shows: uint8 [size, size, 3]."""
    step = tile.shape[0] // SIDE
    middles = tile[step // 2 :: step, step // 2 :: step, 0][:SIDE, :SIDE]
    data = np.packbits(middles >= WHITE).tobytes()
    fields, checksum = data[: _FIELDS.size], data[_FIELDS.size :]
    if struct.pack(">H", zlib.crc32(fields) & 0xFFFF) != checksum:
        raise UnreadableError(f"the squares do not add up: {data.hex()}")
    number, version, kind = _FIELDS.unpack(fields)
    return Picture(number, version, Kind(kind))
