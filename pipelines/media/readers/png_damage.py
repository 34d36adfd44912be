"""What Pillow and FFmpeg paper over in a PNG: wrong checksums of its data, and data that ends before the last row.

Format: W3C PNG (third edition), 5.3 (chunks), 8.1 (Adam7), 11.2 (critical chunks), 11.3.6 (animation).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipelines.errors import MediaError, TruncatedMediaError
from pipelines.media.source import MediaSource

SIGNATURE_BYTES = 8
READ_BYTES = 256 * 1024
MAX_CHUNKS = 1_000_000
CHECKED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"acTL", b"fcTL", b"fdAT"})
"""Chunks that decide about pixels; an editor's broken comment is nobody's loss."""
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Per pass: first column and row, and the steps to the next."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class _Header:
    bits_per_pixel: int
    interlaced: bool

    def data_bytes(self, width: int, height: int) -> int:
        """What a picture's rows take, each with its filter byte."""
        if not self.interlaced:
            return self._rows(width, height)
        return sum(
            self._rows((width - x + step_x - 1) // step_x, (height - y + step_y - 1) // step_y)
            for x, y, step_x, step_y in ADAM7
        )

    def _rows(self, width: int, height: int) -> int:
        return height * (1 + (width * self.bits_per_pixel + 7) // 8) if width > 0 and height > 0 else 0


def check_png(source: MediaSource, lengths: bool) -> None:
    """Check a PNG's checksums; with `lengths` also that each of its pictures has all its rows, which inflates them.

    The file's position is kept.

    Raises:
        MediaError: a checksum is wrong.
        TruncatedMediaError: a picture's data ends early.
    """
    file = source.file
    position = file.tell()
    try:
        for chunk in _chunks(file):
            if chunk.kind in CHECKED and not _checksum_is_right(file, chunk):
                message = f"its {chunk.kind.decode()} chunk at byte {chunk.start} is damaged (the checksum is wrong)"
                raise MediaError(message, subject=source.name, next_step="Upload the object again")
        if lengths:
            _check_lengths(source)
    finally:
        file.seek(position)


def _check_lengths(source: MediaSource) -> None:
    for number, picture in enumerate(_pictures(source.file), 1):
        if picture.missing_bytes:
            message = f"the data of picture {number} ends {picture.missing_bytes} bytes before its last row"
            raise TruncatedMediaError(message, subject=source.name)


@dataclass(slots=True)
class _Picture:
    """A picture whose compressed data come in pieces; no more than it needs is inflated."""

    missing_bytes: int
    inflater: zlib._Decompress

    def feed(self, data: bytes) -> None:
        while data and self.missing_bytes and not self.inflater.eof:
            self.missing_bytes -= len(self.inflater.decompress(data, min(self.missing_bytes, READ_BYTES)))
            data = self.inflater.unconsumed_tail


def _pictures(file: BinaryIO) -> Iterator[_Picture]:
    """The pictures with the bytes that they miss, each when its data are over. Damaged streams are Pillow's to tell."""
    header = _Header(0, interlaced=False)
    width = height = 0
    picture: _Picture | None = None
    for chunk in _chunks(file):
        file.seek(chunk.start)
        if chunk.kind == b"IHDR":
            width, height, depth, color, _, _, interlace = struct.unpack(">IIBBBBB", file.read(13))
            header = _Header(depth * CHANNELS.get(color, 0), bool(interlace))
        elif chunk.kind == b"fcTL":
            if picture is not None:
                yield picture
            picture = None
            width, height = struct.unpack_from(">II", file.read(12), 4)
        elif chunk.kind in (b"IDAT", b"fdAT"):
            picture = picture or _Picture(header.data_bytes(width, height), zlib.decompressobj())
            _feed(picture, file, chunk)
    if picture is not None:
        yield picture


def _feed(picture: _Picture, file: BinaryIO, chunk: _Chunk) -> None:
    skipped = 4 if chunk.kind == b"fdAT" else 0
    file.seek(chunk.start + skipped)
    left = chunk.length - skipped
    try:
        while left > 0 and (data := file.read(min(left, READ_BYTES))):
            picture.feed(data)
            left -= len(data)
    except zlib.error:
        # Not shorter but damaged: the decoder has said so, or what it needed was whole.
        picture.missing_bytes = 0


def _chunks(file: BinaryIO) -> Iterator[_Chunk]:
    """Walk over the chunks up to the end mark, wherever the file's position is moved to in between."""
    start = SIGNATURE_BYTES
    for _ in range(MAX_CHUNKS):
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        yield _Chunk(kind, start + 8, length)
        if kind == b"IEND":
            return
        start += 12 + length


def _checksum_is_right(file: BinaryIO, chunk: _Chunk) -> bool:
    file.seek(chunk.start)
    checksum, left = zlib.crc32(chunk.kind), chunk.length
    while left > 0 and (data := file.read(min(left, READ_BYTES))):
        checksum = zlib.crc32(data, checksum)
        left -= len(data)
    return file.read(4) == struct.pack(">I", checksum)
