"""One door to all storage: a URI and a pinned version in, a local file out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pipelines.cancellation import Cancellation
from reelmill.errors import UnknownSchemeError
from reelmill.settings import MIB, Settings
from worker.storage.files import FileStore
from worker.storage.objects import FetchedObject, ObjectVersion, RangedObject
from worker.storage.s3 import S3Store


class Store(Protocol):
    """One scheme's storage."""

    def check(self, uri: str) -> None: ...

    def stat(self, uri: str) -> ObjectVersion: ...

    def fetch(
        self, uri: str, pinned: ObjectVersion | None, directory: Path, cancellation: Cancellation
    ) -> Iterator[FetchedObject]: ...

    def open(
        self, uri: str, pinned: ObjectVersion | None, directory: Path, cancellation: Cancellation
    ) -> Iterator[FetchedObject | RangedObject]: ...


class Storage:
    """Reads s3:// and file:// as the settings allow. Any thread may use it."""

    def __init__(self, settings: Settings) -> None:
        self._stores: dict[str, Store] = {
            "s3": S3Store(settings.s3_endpoint_url, settings.max_object_bytes, settings.ranges_from_mb * MIB),
            "file": FileStore(settings.file_roots, settings.max_object_bytes),
        }

    def check(self, uri: str) -> None:
        """Look at a URI without reading anything.

        Raises:
            UnknownSchemeError: neither s3:// nor file://.
            SpecError: no bucket, key or path in it.
            OutsideFileRootsError: a file outside the roots.
        """
        self._store(uri).check(uri)

    def stat(self, uri: str) -> ObjectVersion:
        """The version that is there now. Raises as `check` and `fetch`."""
        return self._store(uri).stat(uri)

    @contextmanager
    def fetch(
        self, uri: str, pinned: ObjectVersion | None, directory: Path, cancellation: Cancellation | None = None
    ) -> Iterator[FetchedObject]:
        """The object as a local file for the length of a `with`; nothing is left behind.

        Args:
            pinned: only this version; None takes, and tells, the one that is there.
            directory: where downloads go; files under a root are read in place.
            cancellation: looked at between chunks.

        Raises:
            ObjectNotFoundError, AccessDeniedError, OutsideFileRootsError, ObjectTooLargeError.
            ObjectChangedError: not the pinned version, or a file changed while it was worked on.
            StorageUnavailableError: passing trouble of network, service or disk.
            CancelledError: the job was cancelled.
        """
        yield from self._store(uri).fetch(uri, pinned, directory, cancellation or Cancellation())

    @contextmanager
    def open(
        self, uri: str, pinned: ObjectVersion | None, directory: Path, cancellation: Cancellation | None = None
    ) -> Iterator[FetchedObject | RangedObject]:
        """As `fetch`; but a large video whose container allows it stays where it is, to be read by ranges."""
        yield from self._store(uri).open(uri, pinned, directory, cancellation or Cancellation())

    def _store(self, uri: str) -> Store:
        scheme, separator, _ = uri.partition("://")
        store = self._stores.get(scheme.lower()) if separator else None
        if store is None:
            raise UnknownSchemeError("neither s3:// nor file://", subject=uri)
        return store
