"""The values that storage hands out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipelines.media.ranges import ByteRanges


class StoredRanges(ByteRanges, Protocol):
    """Ranges that tell how many seconds they have taken."""

    @property
    def waited_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """Which version of an object was seen.

    Attributes:
        etag: S3's ETag as it was sent, quotes included; for a file its time of change, size and inode.
        version_id: of a versioned bucket.
    """

    etag: str
    version_id: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class RangedObject:
    """An object that stays where it is. `ranges` are only good inside the `open` that gave them."""

    ranges: StoredRanges
    size_bytes: int
    version: ObjectVersion


@dataclass(frozen=True, slots=True)
class FetchedObject:
    """An object on the local disk. `path` is only good inside the `fetch` that gave it."""

    path: Path
    size_bytes: int
    sha256: str
    version: ObjectVersion
