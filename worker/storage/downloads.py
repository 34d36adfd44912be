"""Files that downloads go to: each locked while it is in use, so that what a killed worker left can be told apart."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from worker.errors import StorageUnavailableError

PREFIX = "reelmill-object-"


@dataclass(frozen=True, slots=True)
class DownloadFile:
    """Open for writing, unbuffered."""

    path: Path
    file: BinaryIO


@contextmanager
def new_download(directory: Path, uri: str) -> Iterator[DownloadFile]:
    """A file of its own, removed afterwards; its name says nothing about the key, which may be odd.

    Raises:
        StorageUnavailableError: none can be made there.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        made = _locked_file(directory)
    except OSError as error:
        message = f"no file can be made in {directory} ({error.strerror})"
        raise StorageUnavailableError(message, subject=uri, next_step="Check REELMILL_DOWNLOAD_DIR") from error
    with made.file:
        try:
            yield made
        finally:
            made.path.unlink(missing_ok=True)


def _locked_file(directory: Path) -> DownloadFile:
    while True:
        descriptor, name = tempfile.mkstemp(dir=directory, prefix=PREFIX)
        _lock(descriptor, wait=True)
        if os.fstat(descriptor).st_nlink:
            return DownloadFile(Path(name), open(descriptor, "wb", buffering=0))
        # A worker that was just starting took it for a leftover before it was locked.
        os.close(descriptor)


def clear_leftovers(directory: Path) -> int:
    """Remove the downloads of workers that are no more; returns how many. Those in use are locked, and stay."""
    return sum(_cleared(path) for path in sorted(directory.glob(f"{PREFIX}*")))


def _cleared(path: Path) -> bool:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if _lock(descriptor, wait=False):
                path.unlink()
                return True
        finally:
            os.close(descriptor)
    return False


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Whether nobody else has it; where the file system has no locks, nobody ever knows."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
