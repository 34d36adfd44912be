"""A file that is not here: its bytes are asked for as they are needed, by whoever has the network.

What is known of an MP4 or MOV, where its pictures lie and where its index, makes reading by ranges pay. Containers
that mix the two (Matroska, MPEG-TS, …) have to be walked from end to end to count frames: they are fetched whole.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipelines.errors import MediaError
from pipelines.media.sniff import HEADER_BYTES, sniff

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

METADATA_BLOCK_BYTES = 16 * 1024
PAYLOAD_AHEAD_BYTES = 256 * 1024
"""How far reading is expected to go on where nothing was announced."""
MAX_READ_BYTES = 1024 * 1024


class ByteRanges(Protocol):
    """Bytes of one version of one file."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, start: int, size: int, until: int) -> bytes:
        """Exactly `size` bytes from `start`, all inside the file; reading is expected to go on to `until`.

        Raises:
            WholeFileNeededError: reading by ranges has become the dearer way.
            ReelmillError: whatever keeps the bytes from coming.
        """
        ...


@dataclass(frozen=True, slots=True, order=True)
class Extent:
    """Bytes from `start` to before `end`."""

    start: int
    end: int


def pays_by_ranges(header: bytes) -> bool:
    """Whether a file that starts like this is worth reading by ranges when it is large."""
    try:
        return sniff(io.BytesIO(header[:HEADER_BYTES]), "").reader_format == "mov"
    except MediaError:
        return False


class RangedFile(io.RawIOBase):
    """A seekable file over ByteRanges. What is not payload (headers, indexes) is kept, for it is read more than once.

    Until `know_payload` is called nothing is taken for payload.
    """

    def __init__(self, ranges: ByteRanges) -> None:
        self.size_bytes = ranges.size_bytes
        self._ranges = ranges
        self._position = 0
        self._payload: tuple[Extent, ...] = ()
        self._wanted: tuple[Extent, ...] = ()
        self._blocks: dict[int, bytes] = {}

    def know_payload(self, payload: Sequence[Extent]) -> None:
        """Where the samples of the streams lie: apart from each other, ascending."""
        self._payload = tuple(payload)

    def expect(self, wanted: Sequence[Extent]) -> None:
        """What of the payload will be read from now on: each is asked for at once, and nothing behind it."""
        self._wanted = tuple(sorted(wanted))

    def without_payload(self) -> RangedFile:
        """The same file at its start, with zeros where the payload is: its index can be read and nothing is fetched."""
        return _BlankedFile(self)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._next_bytes(min(len(view), MAX_READ_BYTES, self.size_bytes - self._position))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _next_bytes(self, size: int) -> bytes:
        """Some of the next `size` bytes: never past a border between metadata and payload."""
        if size <= 0:
            return b""
        place = bisect_right(self._payload, self._position, key=lambda extent: extent.start)
        if place and self._position < self._payload[place - 1].end:
            return self._payload_bytes(min(size, self._payload[place - 1].end - self._position))
        end = self._payload[place].start if place < len(self._payload) else self.size_bytes
        return self._metadata_bytes(min(size, end - self._position), end)

    def _payload_bytes(self, size: int) -> bytes:
        start = self._position
        place = bisect_right(self._wanted, start, key=lambda extent: extent.start)
        if place and start < self._wanted[place - 1].end:
            until = self._wanted[place - 1].end
        else:
            until = min(start + PAYLOAD_AHEAD_BYTES, self.size_bytes) if not self._wanted else start + size
        return self._ranges.read(start, min(size, until - start), until)

    def _metadata_bytes(self, size: int, end: int) -> bytes:
        number, offset = divmod(self._position, METADATA_BLOCK_BYTES)
        block = self._blocks.get(number)
        if block is None:
            start = number * METADATA_BLOCK_BYTES
            block_end = min(start + METADATA_BLOCK_BYTES, self.size_bytes)
            until = max(block_end, end) if self._payload else block_end
            block = self._blocks[number] = self._ranges.read(start, block_end - start, until)
        return block[offset : offset + size]


class _BlankedFile(RangedFile):
    """Shares what is kept with the file that it was made of."""

    def __init__(self, file: RangedFile) -> None:
        super().__init__(file._ranges)
        self._payload, self._blocks = file._payload, file._blocks

    def _payload_bytes(self, size: int) -> bytes:
        return bytes(size)
