"""One object on its way to the disk: counted, hashed, and resumed where a connection was cut."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from botocore.exceptions import BotoCoreError
from botocore.response import StreamingBody
from urllib3.exceptions import HTTPError

from pipelines.cancellation import Cancellation
from worker.errors import ObjectTooLargeError, StorageUnavailableError
from worker.storage.objects import ObjectVersion

CHUNK_BYTES = 1024 * 1024
RESUMES = 3


@dataclass(frozen=True, slots=True)
class Part:
    """An answer to GetObject: its body, and the version that it is of (`size_bytes` is that of this part)."""

    body: StreamingBody
    version: ObjectVersion


class Download:
    """Streams `expected_bytes` bytes into an open file.

    Raises:
        StorageUnavailableError: cut more often than RESUMES times, or the disk is full.
        ObjectTooLargeError: more came than was announced.
        CancelledError: the job was cancelled.
    """

    def __init__(self, uri: str, file: BinaryIO, expected_bytes: int, cancellation: Cancellation) -> None:
        self._uri, self._file, self._expected_bytes = uri, file, expected_bytes
        self._cancellation = cancellation
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def run(self, first: Part, rest_from: Callable[[int], Part]) -> None:
        """Stream the first part; after a cut, `rest_from(byte)` of the same version."""
        cause = self._arrive(first)
        for _ in range(RESUMES):
            if self.size_bytes == self._expected_bytes:
                return
            cause = self._arrive(rest_from(self.size_bytes))
        if self.size_bytes != self._expected_bytes:
            message = f"the connection was cut at byte {self.size_bytes} of {self._expected_bytes} ({cause})"
            raise StorageUnavailableError(message, subject=self._uri)

    def _arrive(self, part: Part) -> str:
        """Take what comes; returns why it ended."""
        with closing(part.body):
            try:
                self._stream(part)
            except (BotoCoreError, HTTPError, ConnectionError, TimeoutError) as error:
                return type(error).__name__
        return "ended early"

    def _stream(self, part: Part) -> None:
        while chunk := part.body.read(CHUNK_BYTES):
            self._cancellation.check()
            self.size_bytes += len(chunk)
            if self.size_bytes > self._expected_bytes:
                raise ObjectTooLargeError("more bytes came than were announced", subject=self._uri)
            self._digest.update(chunk)
            self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        try:
            left = memoryview(chunk)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            message = f"cannot be written to disk ({error.strerror})"
            raise StorageUnavailableError(message, subject=self._uri, next_step="Free disk space") from error
