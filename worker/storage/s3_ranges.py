"""Ranges of one version of an S3 object: read in streams, resumed where a connection was cut, bounded in cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError
from botocore.response import StreamingBody
from urllib3.exceptions import HTTPError

from pipelines.cancellation import Cancellation
from pipelines.errors import WholeFileNeededError
from pipelines.media.ranges import METADATA_BLOCK_BYTES
from worker.errors import StorageUnavailableError

RESUMES = 3
MAX_REQUESTS = 1000
SKIP_BYTES = 64 * 1024
"""A gap up to this is read over: a request of its own would take longer."""

OpenRange = Callable[[int, int], StreamingBody]
"""(start, end) to the body of the answer: the bytes before `end`, of the pinned version."""


@dataclass(slots=True)
class _Stream:
    body: StreamingBody
    position: int
    end: int


class S3Ranges:
    """ByteRanges of an object. One thread at a time; closed by its owner.

    Nothing is kept but the head: what is read ahead is what the connection buffers. Attributes:

    fetched_bytes: asked for so far; never more than the object has.
    waited_s: seconds spent on asking and reading, since the head was read.
    """

    def __init__(self, uri: str, size_bytes: int, open_range: OpenRange, cancellation: Cancellation) -> None:
        self.size_bytes = size_bytes
        self._uri, self._open_range, self._cancellation = uri, open_range, cancellation
        self._stream: _Stream | None = None
        self._head = b""
        self.fetched_bytes, self.waited_s, self.requests = 0, 0.0, 0

    def read_head(self) -> bytes:
        """The first bytes, kept for the one who reads next. Raises as `read`."""
        size = min(METADATA_BLOCK_BYTES, self.size_bytes)
        self._head = self.read(0, size, size)
        self.waited_s = 0.0
        return self._head

    def read(self, start: int, size: int, until: int) -> bytes:
        """Exactly `size` bytes from `start`; a new request asks for all up to `until`.

        Raises:
            WholeFileNeededError: more requests or bytes than a whole download takes.
            ObjectChangedError, StorageUnavailableError, and others as `Storage.fetch`.
            CancelledError: the job was cancelled.
        """
        if start + size <= len(self._head):
            return self._head[start : start + size]
        started = time.perf_counter()
        try:
            return self._read(start, size, until)
        finally:
            self.waited_s += time.perf_counter() - started

    def close(self) -> None:
        """Drop the connection that is open, if there is one."""
        if self._stream is not None:
            self._stream.body.close()
            self._stream = None

    def _read(self, start: int, size: int, until: int) -> bytes:
        data = bytearray()
        cuts, cause = 0, ""
        while len(data) < size:
            self._cancellation.check()
            if cuts > RESUMES:
                message = f"the connection was cut at byte {start + len(data)} of {self.size_bytes} ({cause})"
                raise StorageUnavailableError(message, subject=self._uri)
            stream = self._at(start + len(data), until)
            part, cause = _part(stream, size - len(data))
            data += part
            if stream.position < stream.end and len(data) < size:
                cuts += 1
                self.close()
        return bytes(data)

    def _at(self, position: int, until: int) -> _Stream:
        """A stream that goes on at `position`: the open one if it is near, else a new one."""
        stream = self._stream
        if stream is not None and 0 <= position - stream.position <= SKIP_BYTES and position < stream.end:
            gap = position - stream.position
            if len(_part(stream, gap)[0]) == gap:
                return stream
        self.close()
        self._account(until - position)
        self._stream = _Stream(self._open_range(position, until), position, until)
        return self._stream

    def _account(self, size: int) -> None:
        self.fetched_bytes += size
        self.requests += 1
        if self.fetched_bytes > self.size_bytes or self.requests > MAX_REQUESTS:
            message = f"would take {self.requests} requests and {self.fetched_bytes} bytes"
            raise WholeFileNeededError(message, subject=self._uri)


def _part(stream: _Stream, size: int) -> tuple[bytes, str]:
    """What comes of the next `size` bytes, and why it is less than that."""
    data, cause = bytearray(), "ended early"
    wanted = min(size, stream.end - stream.position)
    try:
        while len(data) < wanted and (chunk := stream.body.read(wanted - len(data))):
            data += chunk
    except (BotoCoreError, HTTPError, ConnectionError, TimeoutError) as error:
        cause = type(error).__name__
    stream.position += len(data)
    return bytes(data), cause
