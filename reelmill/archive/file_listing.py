"""file:// directories, walked in an order that stays."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from reelmill.archive.listing import ListedObject, ListedPage
from reelmill.errors import ArchiveError

PAGE_FILES = 1000
Names = tuple[bytes, ...]


def file_etag(status: os.stat_result) -> str:
    """What tells a file's version: its time of change, size and inode."""
    return f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"


class FileListing:
    """Files below a directory, names in the order of their bytes, directories where their names stand.

    One directory's names are in memory at a time. Links to directories are not followed: they may lead in circles.

    Raises:
        ArchiveError: outside the roots.
    """

    def __init__(self, prefix: str, roots: Sequence[Path] | None) -> None:
        self._prefix = prefix
        self._root = unquote_to_bytes(prefix.partition("://")[2])
        self._uri = prefix.rstrip("/")
        if roots is not None and not self._lies_below(roots):
            advice = "Add the directory to REELMILL_FILE_ROOTS of whoever lists it, if it may be read"
            raise ArchiveError("lies outside the file roots", subject=prefix, next_step=advice)

    def pages(self, after: str | None) -> Iterator[ListedPage]:
        """Some files each; `after` and the cursors are paths below the directory, as in URIs."""
        self._check()
        objects: list[ListedObject] = []
        unlisted: Counter[str] = Counter()
        cursor = after or ""
        for names, status in self._walk((), tuple(unquote_to_bytes(cursor).split(b"/")) if cursor else ()):
            cursor = quote(b"/".join(names))
            if isinstance(status, str):
                unlisted[status] += 1
            else:
                objects.append(self._listed(names, status))
            if len(objects) + unlisted.total() >= PAGE_FILES:
                yield ListedPage(objects, cursor, unlisted)
                objects, unlisted = [], Counter()
        if objects or unlisted:
            yield ListedPage(objects, cursor, unlisted)

    def _walk(self, above: Names, after: Names) -> Iterator[tuple[Names, os.stat_result | str]]:
        """Files behind `after`, or the reason why one of them is no object."""
        try:
            names = sorted(os.listdir(os.path.join(self._root, *above)))
        except OSError:
            yield above, "unreadable"
            return
        for name in names:
            if not after or name > after[0]:
                yield from self._entry((*above, name))
            elif name == after[0]:
                yield from self._entry((*above, name), after)

    def _entry(self, names: Names, after: Names = ()) -> Iterator[tuple[Names, os.stat_result | str]]:
        """One name. `after` begins with it where the last page ended at it or below it."""
        try:
            status = self._status(names)
        except FileNotFoundError:
            return
        except OSError:
            yield names, "unreadable"
            return
        if isinstance(status, os.stat_result) and stat.S_ISDIR(status.st_mode):
            yield from self._walk(names, after[1:])
        elif not after:
            yield names, status

    def _status(self, names: Names) -> os.stat_result | str:
        """Of what a link leads to; the reason why it is no object, unless it is a file or a directory."""
        path = os.path.join(self._root, *names)
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
                return "link"
        return status if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) else "no_file"

    def _listed(self, names: Names, status: os.stat_result) -> ListedObject:
        path = b"/".join(names)
        return ListedObject(
            key=os.fsdecode(path),
            uri=f"{self._uri}/{quote(path)}",
            etag=file_etag(status),
            size_bytes=status.st_size,
            modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
        )

    def _check(self) -> None:
        """The root itself must be there: a directory that is not mounted must not look like an empty archive."""
        try:
            os.scandir(self._root).close()
        except OSError as error:
            raise ArchiveError(
                f"cannot be listed ({error.strerror})", subject=self._prefix, next_step="Check the path and its rights"
            ) from error

    def _lies_below(self, roots: Sequence[Path]) -> bool:
        path = Path(os.path.realpath(os.fsdecode(self._root)))
        return any(path.is_relative_to(os.path.realpath(root)) for root in roots)
