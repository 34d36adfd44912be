"""An open file whose format is known: what every reader starts from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO, cast

from pipelines.errors import NotMediaError
from pipelines.media.ranges import ByteRanges, RangedFile
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
    def ranged(self) -> RangedFile | None:
        """The file if it is one that is read by ranges."""
        return self.file if isinstance(self.file, RangedFile) else None

    @property
    def size_bytes(self) -> int:
        return self.ranged.size_bytes if self.ranged else os.fstat(self.file.fileno()).st_size

    @property
    def descriptor_path(self) -> str:
        """A path to the open file, for readers that take only paths: no odd names, no second look at the directory."""
        return f"/proc/self/fd/{self.file.fileno()}"


def open_source(path: str, name: str, limits: DecodeLimits, ranges: ByteRanges | None = None) -> MediaSource:
    """Open and sniff a local file, or the one whose bytes `ranges` has; the caller closes `.file`.

    Raises:
        EmptyMediaError, NotMediaError: as `sniff`; also when the file cannot be opened.
    """
    try:
        # The source owns it.
        file = cast(BinaryIO, RangedFile(ranges)) if ranges else open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise NotMediaError(f"cannot be opened: {error.strerror}", subject=name) from error
    try:
        return MediaSource(file, name, sniff(file, name), limits)
    except BaseException:
        file.close()
        raise
