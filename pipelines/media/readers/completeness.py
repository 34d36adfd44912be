"""Does a container promise more bytes than the file has? Decoders would fill the gap with repeated frames.

Formats: ISO/IEC 14496-12 boxes; RFC 8794 (EBML) and RFC 9559 (Matroska) elements; RIFF chunks (AVI).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipelines.media.source import MediaSource

MAX_TOP_LEVEL_BOXES = 100_000
MATROSKA_SEGMENT_ID = 0x18538067


def missing_part(source: MediaSource) -> str | None:
    """What is missing at the end of a video, in words; None when nothing is, or the format does not tell."""
    check = {"mov": _missing_of_iso, "matroska": _missing_of_matroska, "avi": _missing_of_riff}.get(
        source.format.reader_format
    )
    return check(source.file, source.size_bytes) if check else None


@dataclass(frozen=True, slots=True)
class Box:
    """A top-level box of ISO media, `end` past the end of the file if that was cut off."""

    kind: bytes
    start: int
    end: int


def _missing_of_iso(file: BinaryIO, size: int) -> str | None:
    kinds = set()
    for box in iso_boxes(file, size):
        kinds.add(box.kind)
        if box.end > size and box.kind in (b"moov", b"mdat", b"moof"):
            return f"its {box.kind.decode()} box ends {box.end - size} bytes past the end of the file"
    if b"moov" not in kinds:
        return "has no moov box (the index): the upload or the recording was cut off"
    return None


def iso_boxes(file: BinaryIO, size: int) -> Iterator[Box]:
    """Walk over the top-level boxes, reading the head of each."""
    start = 0
    for _ in range(MAX_TOP_LEVEL_BOXES):
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            length = struct.unpack_from(">Q", head, 8)[0]
        end = size if length == 0 else start + length
        yield Box(kind, start, end)
        if end < start + 8 or end >= size:
            return
        start = end


def _missing_of_matroska(file: BinaryIO, size: int) -> str | None:
    file.seek(0)
    head = file.read(4096)
    header = _element(head, 0)
    segment = _element(head, header.end) if header else None
    if segment is None or segment.identifier != MATROSKA_SEGMENT_ID or segment.end <= size:
        return None
    return f"its segment ends {segment.end - size} bytes past the end of the file"


@dataclass(frozen=True, slots=True)
class _Element:
    identifier: int
    end: int


def _element(data: bytes, start: int) -> _Element | None:
    """The element at `start`; None when it is cut or of unknown size (a live recording)."""
    id_length = _vint_length(data, start)
    size_length = _vint_length(data, start + id_length) if id_length else 0
    body = start + id_length + size_length
    if not size_length or body > len(data):
        return None
    mask = (1 << 7 * size_length) - 1
    size = int.from_bytes(data[start + id_length : body]) & mask
    return None if size == mask else _Element(int.from_bytes(data[start : start + id_length]), body + size)


def _vint_length(data: bytes, start: int) -> int:
    return 9 - data[start].bit_length() if start < len(data) and data[start] else 0


def _missing_of_riff(file: BinaryIO, size: int) -> str | None:
    file.seek(0)
    head = file.read(8)
    end = 8 + struct.unpack_from("<I", head, 4)[0]
    return f"its RIFF chunk ends {end - size} bytes past the end of the file" if end > size else None
