"""One job from its media to its observations: fetch → decode → scenes → interview."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pipelines.analytics.interview import Interview, Observations
from pipelines.analytics.scene import SourceMedia, build_scenes, tiling_for
from pipelines.cancellation import Cancellation
from pipelines.media.decode import DecodePool
from pipelines.media.types import DecodeLimits, DecodeRequest, TilingSpec
from pipelines.model.types import Backend
from reelmill.ledger.claim import ClaimedJob, ClaimedMedia
from reelmill.schema import JobResult, JobSpec, MediaFacts, StageTimes
from reelmill.settings import Settings
from worker.storage import FetchedObject, ObjectVersion, Storage

Pin = Callable[[Sequence[tuple[int, ObjectVersion]]], None]
"""Stores the versions that were read, by media ordinal; raises if the job is no longer ours."""


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """The stages of a job. Holds no state of any job; many threads run it at once."""

    settings: Settings
    storage: Storage
    decoders: DecodePool
    backend: Backend
    download_dir: Path

    def run(self, job: ClaimedJob, pin: Pin, cancellation: Cancellation) -> JobResult:
        """Work the job.

        Raises:
            StorageError, MediaError, ModelError: what went wrong, and with which media.
            CancelledError: `cancellation` was set on the way.
        """
        self.decoders.wait_for_room(cancellation)
        with ExitStack() as downloads:
            started = time.perf_counter()
            fetched = self._fetch(job, downloads, pin, cancellation)
            fetched_at = time.perf_counter()
            tiling = tiling_for(job.spec.sampling, self.backend.info, len(job.media))
            sources = [
                self._decode(media, found, job.spec, tiling, cancellation)
                for media, found in zip(job.media, fetched, strict=True)
            ]
            decoded_at = time.perf_counter()
        scenes = build_scenes(sources, tiling)
        seen = Interview(self.backend, job.spec.generation, cancellation).run(job.spec.tasks, scenes)
        return JobResult(
            media=tuple(_facts(source, found) for source, found in zip(sources, fetched, strict=True)),
            segments=tuple(scene.segment for scene in scenes),
            captions=seen.captions,
            answers=seen.answers,
            groundings=seen.groundings,
            times=_times(fetched_at - started, decoded_at - fetched_at, seen),
        )

    def _fetch(
        self, job: ClaimedJob, downloads: ExitStack, pin: Pin, cancellation: Cancellation
    ) -> list[FetchedObject]:
        fetched = []
        for media in job.media:
            cancellation.check()
            download = self.storage.fetch(media.uri, _pinned(media), self.download_dir, cancellation)
            fetched.append(downloads.enter_context(download))
        fresh = [(m.ordinal, f.version) for m, f in zip(job.media, fetched, strict=True) if _pinned(m) is None]
        if fresh:
            pin(fresh)
        return fetched

    def _decode(
        self,
        media: ClaimedMedia,
        found: FetchedObject,
        spec: JobSpec,
        tiling: TilingSpec,
        cancellation: Cancellation,
    ) -> SourceMedia:
        cancellation.check()
        limits = DecodeLimits(
            max_pixels=self.settings.max_pixels,
            timeout_s=self.settings.decode_timeout_s,
            memory_bytes=self.settings.decode_memory_mb * 2**20,
        )
        request = DecodeRequest(str(found.path), media.uri, spec.sampling, tiling, limits)
        return SourceMedia(media.ordinal, media.uri, found.sha256, self.decoders.decode(request, cancellation))


def _pinned(media: ClaimedMedia) -> ObjectVersion | None:
    if media.etag is None or media.size_bytes is None:
        return None
    return ObjectVersion(etag=media.etag, version_id=media.version_id, size_bytes=media.size_bytes)


def _facts(source: SourceMedia, found: FetchedObject) -> MediaFacts:
    info = source.decoded.info
    return MediaFacts(
        ordinal=source.ordinal,
        kind=info.kind,
        format=info.format,
        width=info.width,
        height=info.height,
        size_bytes=found.size_bytes,
        sha256=found.sha256,
        codec=info.codec,
        frame_count=info.frame_count,
        duration_s=info.duration_s,
        fps=info.fps,
        decode_errors=source.decoded.decode_errors,
    )


def _times(fetch_s: float, decode_s: float, seen: Observations) -> StageTimes:
    return StageTimes(
        fetch_s=fetch_s,
        decode_s=decode_s,
        wait_s=seen.wait_s,
        vision_s=seen.vision_s,
        prefill_s=seen.prefill_s,
        generate_s=seen.generate_s,
    )
