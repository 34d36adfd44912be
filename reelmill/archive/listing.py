"""What a listing tells of an archive, page by page, whatever the storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as its listing tells it.

    Attributes:
        key: its name below the prefix: what patterns look at.
        etag: of S3 as it is sent, quotes included; for a file its time of change, size and inode.
        archived: kept in cold storage; it cannot be read before it is restored.
    """

    key: str
    uri: str
    etag: str
    size_bytes: int
    modified_at: datetime
    archived: bool = False


@dataclass(frozen=True, slots=True)
class ListedPage:
    """Some objects in a row.

    Attributes:
        cursor: the next listing begins after this.
        unlisted: names that were seen and are no objects for us, by reason.
    """

    objects: Sequence[ListedObject]
    cursor: str
    unlisted: Mapping[str, int] = field(default_factory=dict)


class Listing(Protocol):
    """One prefix of one storage."""

    def pages(self, after: str | None) -> Iterator[ListedPage]:
        """All objects in an order that stays, from behind `after` on.

        Raises:
            ArchiveError: it cannot be listed.
            ArchiveUnavailableError: not now.
        """
        ...


def open_listing(prefix: str, *, endpoint_url: str | None, file_roots: Sequence[Path] | None) -> Listing:
    """The listing of a prefix; nothing is asked yet.

    Args:
        endpoint_url: of the S3 service; None for Amazon's own.
        file_roots: directories that may be listed; None for all that the user may read.

    Raises:
        MissingExtraError: s3:// without boto3.
        ArchiveError: a directory outside the roots.
    """
    if prefix.startswith("s3://"):
        from reelmill.archive.s3_listing import S3Listing

        return S3Listing(prefix, endpoint_url)
    from reelmill.archive.file_listing import FileListing

    return FileListing(prefix, file_roots)
