"""An open file whose format is known: what every reader starts from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

from pipelines.errors import NotMediaError
from pipelines.media.sniff import MediaFormat, sniff
from pipelines.media.types import DecodeLimits


@dataclass(frozen=True, slots=True)
class MediaSource:
    """Readers use the open file and nothing else, so that what was sniffed is what is read.

    Attributes:
        file: at any position; who opens a reader seeks first, and from then on the position is that reader's.
        name: what errors call it.
    """

    file: BinaryIO
    name: str
    format: MediaFormat
    limits: DecodeLimits

    @property
    def size_bytes(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    @property
    def descriptor_path(self) -> str:
        """A path to the open file, for readers that take only paths: no odd names, no second look at the directory."""
        return f"/proc/self/fd/{self.file.fileno()}"


def open_source(path: str, name: str, limits: DecodeLimits) -> MediaSource:
    """Open and sniff a local file; the caller closes `.file`.

    Raises:
        EmptyMediaError, NotMediaError: as `sniff`; also when the file cannot be opened.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 - the source owns it
    except OSError as error:
        raise NotMediaError(f"cannot be opened: {error.strerror}", subject=name) from error
    try:
        return MediaSource(file, name, sniff(file, name), limits)
    except BaseException:
        file.close()
        raise
