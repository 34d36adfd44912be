"""What Pillow papers over in a JPEG: libjpeg fills what it cannot read with grey and says so to nobody.

Looking for damage costs as much as decoding, so that only a suspicious file is looked at, and by another decoder.
Format: ITU-T T.81, annex B (markers).
"""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np
from PIL import Image

LOST_SECTOR = bytes(32)
"""Zeros where a disk or an upload lost a part; coded pixels hardly have so many together."""
STRAY_MARKER = re.compile(rb"\xff[\x01-\xbf\xc8\xcc\xf0-\xfd]")
"""What no encoder writes between or into the scans."""
START_OF_SCAN, END_OF_IMAGE = 0xDA, b"\xff\xd9"
LAST_ROWS = 4
CHECK = {"err_detect": "explode", "lowres": "3"}


def jpeg_damage(file: BinaryIO, picture: Image.Image) -> int:
    """How many damaged parts a JPEG shows that was decoded to `picture`: 0 or 1. The file's position is kept."""
    position = file.tell()
    try:
        file.seek(0)
        data = file.read()
    finally:
        file.seek(position)
    return int(_suspicious(data, picture) and not _decodes(data))


def _suspicious(data: bytes, picture: Image.Image) -> bool:
    start = _first_scan(data)
    end = data.find(END_OF_IMAGE, start)
    end = len(data) if end < 0 else end
    lost = data.find(LOST_SECTOR, start, end) >= 0
    return lost or STRAY_MARKER.search(data, start, end) is not None or _ends_plain(picture)


def _first_scan(data: bytes) -> int:
    """Behind the segments in front of the pixels: profiles and thumbnails hold anything."""
    start = 2
    while start + 4 <= len(data) and data[start + 1] != START_OF_SCAN:
        start += 2 + int.from_bytes(data[start + 2 : start + 4])
    return min(start + 2, len(data))


def _ends_plain(picture: Image.Image) -> bool:
    """Whether the last rows are of one colour, as they are where the data ended before."""
    last = np.asarray(picture.crop((0, max(0, picture.height - LAST_ROWS), picture.width, picture.height)))
    return bool((last == last[0, 0]).all())


def _decodes(data: bytes) -> bool:
    """Whether FFmpeg, which stops at the first error, gets through; kinds of JPEG that it does not know do."""
    import av

    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = CHECK
    try:
        return bool(decoder.decode(av.Packet(data)))
    except MemoryError:
        raise
    except av.error.PatchWelcomeError:
        return True
    except av.FFmpegError:
        return False
