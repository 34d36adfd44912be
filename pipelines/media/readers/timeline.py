"""How long each frame of a GIF, APNG or WebP is shown, read from its headers: nothing is decoded.

Formats: GIF89a specification; W3C PNG (third edition) chunks acTL and fcTL; RFC 9649, chunk ANMF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipelines.errors import TruncatedMediaError
from pipelines.media.readers.base import check_frame_count
from pipelines.media.source import MediaSource

UNSET_DURATION_S = 0.1
"""What browsers make of a frame that is to be shown for no time at all."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Attributes:
    durations_s: seconds per frame; empty when the file is no animation.
    hidden_frames: pictures before the first frame that are not part of the animation (APNG's fallback).
    """

    durations_s: tuple[float, ...]
    hidden_frames: int = 0


def read_timeline(source: MediaSource) -> Timeline:
    """The frames of an animation.

    Raises:
        TruncatedMediaError: the file ends in the middle of a frame.
        MediaTooLargeError: more frames than the limit.
    """
    walk = {"gif": _gif_durations, "png": _png_durations, "webp": _webp_durations}[source.format.name]
    source.file.seek(0)
    durations: list[float] = []
    hidden = 0
    try:
        for duration_s in walk(source.file):
            if duration_s is None:
                hidden = 1
                continue
            durations.append(duration_s or UNSET_DURATION_S)
            check_frame_count(source, len(durations))
    except (_EndOfFileError, struct.error) as error:
        raise TruncatedMediaError(f"ends inside frame {len(durations) + 1}", subject=source.name) from error
    return Timeline(tuple(durations), hidden)


class _EndOfFileError(Exception):
    """The file ended inside a structure."""


def _take(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise _EndOfFileError
    return data


def _skip(file: BinaryIO, size: int, file_size: int) -> None:
    if file.seek(size, 1) > file_size:
        raise _EndOfFileError


def _size(file: BinaryIO) -> int:
    position = file.tell()
    size = file.seek(0, 2)
    file.seek(position)
    return size


def _gif_durations(file: BinaryIO) -> Iterator[float | None]:
    """Blocks: 0x21 extension (0xF9: delay in 1/100 s), 0x2C image, 0x3B end."""
    flags = _take(file, 13)[10]
    _skip_color_table(file, flags)
    delay_s = 0.0
    while (block := file.read(1)) and block != b";":
        if block == b"!":
            label = _take(file, 1)
            data = _sub_blocks(file, keep=label == b"\xf9")
            delay_s = struct.unpack_from("<H", data, 1)[0] / 100 if len(data) >= 4 else delay_s
        elif block == b",":
            _skip_color_table(file, _take(file, 9)[8])
            _take(file, 1)
            _sub_blocks(file, keep=False)
            yield delay_s
            delay_s = 0.0
        elif block != b"\x00":
            return


def _skip_color_table(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        _take(file, 3 << ((flags & 7) + 1))


def _sub_blocks(file: BinaryIO, *, keep: bool) -> bytes:
    kept = b""
    while size := _take(file, 1)[0]:
        data = _take(file, size)
        kept = data if keep else b""
    return kept


def _png_durations(file: BinaryIO) -> Iterator[float | None]:
    """fcTL holds numerator and denominator (0 means 100); without acTL ahead of IDAT there is no animation."""
    file_size = _size(file)
    _take(file, 8)
    animated = seen_frame = False
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND" or (kind == b"IDAT" and not animated):
            return
        if kind == b"fcTL":
            numerator, denominator = struct.unpack_from(">HH", _take(file, length), 20)
            yield numerator / (denominator or 100)
        else:
            _skip(file, length, file_size)
        if kind == b"IDAT" and not seen_frame:
            yield None
        animated = animated or kind == b"acTL"
        seen_frame = seen_frame or kind in (b"fcTL", b"IDAT")
        _skip(file, 4, file_size)


def _webp_durations(file: BinaryIO) -> Iterator[float | None]:
    """ANMF: 12 bytes of place and size, then the duration in milliseconds (24 bits)."""
    file_size = _size(file)
    _take(file, 12)
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        start = file.tell()
        if kind == b"ANMF":
            yield int.from_bytes(_take(file, 16)[12:15], "little") / 1000
        _skip(file, start + length - file.tell(), file_size)
        if length % 2:
            file.read(1)
