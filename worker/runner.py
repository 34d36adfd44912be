"""One job from its media to its observations: fetch → decode → scenes → interview → summaries."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.analytics.interview import Interview, Observations
from pipelines.analytics.scene import Scene, SourceMedia, build_scenes, tiling_for
from pipelines.cancellation import Cancellation
from pipelines.media.decode import DecodePool
from pipelines.model.types import Backend
from reelmill.ledger.claim import ClaimedJob, ClaimedMedia
from reelmill.schema import CaptionResult, JobResult, MediaFacts, SegmentResult
from reelmill.settings import Settings
from worker.intake import Intake, TakenMedia
from worker.storage import FetchedObject, ObjectVersion, RangedObject, Storage
from worker.windows import Keeper, NoKeeper, Progress

NOTHING_KEPT = NoKeeper()
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

    @property
    def intake(self) -> Intake:
        """Where media become tiles."""
        return Intake(self.settings, self.storage, self.decoders, self.download_dir)

    def run(self, job: ClaimedJob, pin: Pin, cancellation: Cancellation, keeper: Keeper = NOTHING_KEPT) -> JobResult:
        """Work the job.

        Raises:
            StorageError, MediaError, ModelError: what went wrong, and with which media.
            CancelledError: `cancellation` was set on the way.
        """
        with self.decoders.room(cancellation), ExitStack() as downloads:
            started = time.perf_counter()
            opened = self._open(job, downloads, pin, cancellation)
            opened_at = time.perf_counter()
            tiling = tiling_for(job.spec.sampling, self.backend.info, len(job.media))
            versions = [found.version for found in opened]
            progress = Progress.of(keeper, job.attempt, job.spec, versions, self.backend.info)
            taken = [
                self.intake.take(media.uri, found, job.spec.sampling, tiling, cancellation, progress.done)
                for media, found in zip(job.media, opened, strict=True)
            ]
            decoded_at = time.perf_counter()
        late_s = sum(each.fetch_s for each in taken)
        media = tuple(_facts(*pair) for pair in zip(job.media, taken, strict=True))
        sources = [_source(*pair) for pair in zip(job.media, taken, strict=True)]
        del taken

        def ask(some: Sequence[Scene]) -> Observations:
            return Interview(self.backend, job.spec.generation, cancellation).run(job.spec.tasks, some)

        def sum_up(segments: Sequence[SegmentResult], captions: Sequence[CaptionResult]) -> Observations:
            return Interview(self.backend, job.spec.generation, cancellation).sum_up(job.spec.tasks, segments, captions)

        found = progress.interview(build_scenes(sources, tiling), ask)
        sources.clear()  # No tiles are held while captions are summed up.
        found = progress.sum_up(found, sum_up)
        fetch_s, decode_s = opened_at - started + late_s, decoded_at - opened_at - late_s
        return replace(found, media=media, times=replace(found.times, fetch_s=fetch_s, decode_s=decode_s))

    def _open(
        self, job: ClaimedJob, downloads: ExitStack, pin: Pin, cancellation: Cancellation
    ) -> list[FetchedObject | RangedObject]:
        opened = []
        for media in job.media:
            cancellation.check()
            opening = self.storage.open(media.uri, _pinned(media), self.download_dir, cancellation)
            opened.append(downloads.enter_context(opening))
        fresh = [(m.ordinal, f.version) for m, f in zip(job.media, opened, strict=True) if _pinned(m) is None]
        if fresh:
            pin(fresh)
        return opened


def _pinned(media: ClaimedMedia) -> ObjectVersion | None:
    if media.etag is None or media.size_bytes is None:
        return None
    return ObjectVersion(etag=media.etag, version_id=media.version_id, size_bytes=media.size_bytes)


def _source(media: ClaimedMedia, taken: TakenMedia) -> SourceMedia:
    return SourceMedia(media.ordinal, media.uri, taken.content_key(media.uri), taken.decoded)


def _facts(media: ClaimedMedia, taken: TakenMedia) -> MediaFacts:
    info = taken.decoded.info
    return MediaFacts(
        ordinal=media.ordinal,
        kind=info.kind,
        format=info.format,
        width=info.width,
        height=info.height,
        size_bytes=taken.version.size_bytes,
        sha256=taken.sha256,
        codec=info.codec,
        frame_count=info.frame_count,
        duration_s=info.duration_s,
        fps=info.fps,
        decode_errors=taken.decoded.decode_errors,
    )
