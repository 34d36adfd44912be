"""Media of a job as tiles: from storage through the decoders, whole or by ranges."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.cancellation import Cancellation
from pipelines.errors import WholeFileNeededError
from pipelines.media.decode import DecodePool
from pipelines.media.types import DecodedMedia, DecodeLimits, DecodeRequest, TilingSpec
from reelmill.schema.tasks import Sampling
from reelmill.settings import Settings
from worker.storage import FetchedObject, ObjectVersion, RangedObject, Storage


@dataclass(frozen=True, slots=True, eq=False)
class TakenMedia:
    """A decoded object. `sha256` is None where only parts of it were read; `fetch_s` of that went to storage."""

    decoded: DecodedMedia
    version: ObjectVersion
    sha256: str | None
    fetch_s: float

    def content_key(self, uri: str) -> str:
        """Equal only for equal bytes: without a hash only those of the same version of the same object."""
        return self.sha256 or f"{uri}/{self.version.etag}/{self.version.size_bytes}"


@dataclass(frozen=True, slots=True, eq=False)
class Intake:
    """Decodes what storage has opened. Holds no state of any job."""

    settings: Settings
    storage: Storage
    decoders: DecodePool
    download_dir: Path

    def take(
        self,
        uri: str,
        found: FetchedObject | RangedObject,
        sampling: Sampling,
        tiling: TilingSpec,
        cancellation: Cancellation,
        done: frozenset[int] = frozenset(),
    ) -> TakenMedia:
        """The tiles of an object, without those of windows that are done.

        Raises:
            StorageError: its bytes do not come.
            MediaError: what is wrong with it.
            CancelledError: `cancellation` was set on the way.
        """
        request = DecodeRequest("", uri, sampling, tiling, self._limits(), self.settings.video_library, done=done)
        if isinstance(found, FetchedObject):
            return self._take_file(request, found, cancellation)
        try:
            decoded = self.decoders.decode(replace(request, ranges=found.ranges), cancellation)
        except WholeFileNeededError:
            return self._take_whole(request, found, cancellation)
        return TakenMedia(decoded, found.version, None, found.ranges.waited_s)

    def _take_file(self, request: DecodeRequest, found: FetchedObject, cancellation: Cancellation) -> TakenMedia:
        decoded = self.decoders.decode(replace(request, path=str(found.path)), cancellation)
        return TakenMedia(decoded, found.version, found.sha256, 0.0)

    def _take_whole(self, request: DecodeRequest, found: RangedObject, cancellation: Cancellation) -> TakenMedia:
        started = time.perf_counter()
        with self.storage.fetch(request.name, found.version, self.download_dir, cancellation) as whole:
            fetch_s = found.ranges.waited_s + time.perf_counter() - started
            return replace(self._take_file(request, whole, cancellation), fetch_s=fetch_s)

    def _limits(self) -> DecodeLimits:
        return DecodeLimits(
            max_pixels=self.settings.max_pixels,
            timeout_s=self.settings.decode_timeout_s,
            memory_bytes=self.settings.decode_memory_mb * 2**20,
        )
