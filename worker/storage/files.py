"""file://: read in place, and only below the roots that the operator named."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from pipelines.cancellation import Cancellation
from reelmill.archive.file_listing import file_etag
from reelmill.schema.errors import SpecError
from worker.errors import (
    AccessDeniedError,
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    OutsideFileRootsError,
    StorageUnavailableError,
)
from worker.storage.objects import FetchedObject, ObjectVersion

CHUNK_BYTES = 1024 * 1024
OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
"""Not blocking on a pipe, and not following a link that appeared after the path was resolved."""
NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO})


class FileStore:
    """Files below `roots`, links resolved on both sides."""

    def __init__(self, roots: tuple[Path, ...], max_object_bytes: int) -> None:
        self._roots = tuple(Path(os.path.realpath(root)) for root in roots)
        self._max_object_bytes = max_object_bytes

    def check(self, uri: str) -> None:
        """Raise SpecError or OutsideFileRootsError if this may not be read."""
        self._resolve(uri)

    def stat(self, uri: str) -> ObjectVersion:
        """The version of the file now."""
        with self._open(uri) as opened:
            return opened.version

    def fetch(
        self, uri: str, pinned: ObjectVersion | None, directory: Path, cancellation: Cancellation
    ) -> Iterator[FetchedObject]:
        """The file where it is, hashed. Yields once; raises afterwards if the file changed in the meantime."""
        with self._open(uri) as opened:
            if pinned is not None and pinned.etag != opened.version.etag:
                raise ObjectChangedError("was replaced since its version was pinned", subject=uri)
            sha256 = _hash(opened.file, uri, cancellation)
            yield FetchedObject(opened.path, opened.version.size_bytes, sha256, opened.version)
            if _version_at(opened.path) != opened.version:
                raise ObjectChangedError("changed while it was worked on", subject=uri)

    open = fetch
    """A file is read by ranges where it is."""

    def _open(self, uri: str) -> _OpenedFile:
        path = self._resolve(uri)
        try:
            descriptor = os.open(path, OPEN_FLAGS)
        except OSError as error:
            raise _typed(error, uri) from error
        try:
            self._check_opened(descriptor, path, uri)
            return _OpenedFile(os.fdopen(descriptor, "rb"), path, _version(os.fstat(descriptor)))
        except BaseException:
            os.close(descriptor)
            raise

    def _check_opened(self, descriptor: int, path: Path, uri: str) -> None:
        status = os.fstat(descriptor)
        if os.path.realpath(f"/proc/self/fd/{descriptor}") != os.fspath(path):
            # A directory on the way became a link between resolving and opening.
            raise OutsideFileRootsError("moved while it was opened", subject=uri)
        if not stat.S_ISREG(status.st_mode):
            raise ObjectNotFoundError("is not a regular file", subject=uri, next_step="Name a file")
        if status.st_size > self._max_object_bytes:
            message = f"{status.st_size} bytes, the limit is {self._max_object_bytes}"
            raise ObjectTooLargeError(message, subject=uri)

    def _resolve(self, uri: str) -> Path:
        text = path_in(uri)
        path = Path(os.path.realpath(text))
        if not any(path.is_relative_to(root) for root in self._roots):
            allowed = ", ".join(str(root) for root in self._roots) or "none"
            raise OutsideFileRootsError(f"lies outside the file roots ({allowed})", subject=uri)
        return path


@dataclass(frozen=True, slots=True)
class _OpenedFile:
    file: BinaryIO
    path: Path
    version: ObjectVersion

    def __enter__(self) -> _OpenedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def path_in(uri: str) -> str:
    """The path of file:///path or file://localhost/path; `?` and `#` are part of it, %XX is any byte."""
    rest = uri.partition("://")[2]
    host, slash, path = rest.partition("/")
    text = slash + unquote(path, errors="surrogateescape")
    if host not in ("", "localhost") or not slash or "\0" in text:
        raise SpecError("is not a file URI of this machine", subject=uri, next_step="Use file:///absolute/path")
    return text


def _version(status: os.stat_result) -> ObjectVersion:
    return ObjectVersion(file_etag(status), None, status.st_size)


def _version_at(path: Path) -> ObjectVersion | None:
    try:
        return _version(path.stat())
    except OSError:
        return None


def _hash(file: BinaryIO, uri: str, cancellation: Cancellation) -> str:
    digest = hashlib.sha256()
    try:
        while chunk := file.read(CHUNK_BYTES):
            cancellation.check()
            digest.update(chunk)
    except OSError as error:
        raise StorageUnavailableError(f"cannot be read ({error.strerror})", subject=uri) from error
    return digest.hexdigest()


def _typed(error: OSError, uri: str) -> Exception:
    if isinstance(error, PermissionError):
        return AccessDeniedError("may not be read", subject=uri, next_step="Give the worker's user access to it")
    if error.errno in NO_FILE:
        return ObjectNotFoundError("there is no such file", subject=uri, next_step="Check the path")
    return StorageUnavailableError(f"cannot be opened ({error.strerror})", subject=uri)
