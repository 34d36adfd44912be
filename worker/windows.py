"""Long videos by groups of windows: each finished group is kept, and an attempt goes on where another was cut off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.analytics.interview import Observations
from pipelines.analytics.scene import Scene
from pipelines.media.cuts import detector_version
from pipelines.model.types import ModelInfo
from reelmill.ledger.fingerprint import PROMPTS_VERSION
from reelmill.schema import Caption, CaptionResult, JobResult, JobSpec, SegmentResult, StageTimes
from worker.storage import ObjectVersion

WINDOWS_TOGETHER = 4
"""Windows that are in flight together, and kept together. More fill the engine better, fewer lose less work."""


class Keeper(Protocol):
    """Where finished windows of one job are kept."""

    def kept(self, key: str) -> tuple[JobResult, ...]: ...

    def keep(self, key: str, found: JobResult) -> None:
        """Raises LeaseLostError when the job is no longer ours."""
        ...


class NoKeeper:
    """Keeps nothing."""

    def kept(self, key: str) -> tuple[JobResult, ...]:
        return ()

    def keep(self, key: str, found: JobResult) -> None: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """What earlier attempts found out, and where this one keeps what it does."""

    keeper: Keeper
    key: str
    earlier: tuple[JobResult, ...]
    summed_up: bool = False
    """Whether something is asked of a video behind its last window: then that one is kept, too."""

    @classmethod
    def of(
        cls, keeper: Keeper, attempt: int, spec: JobSpec, versions: Sequence[ObjectVersion], info: ModelInfo
    ) -> Progress:
        """Of a job's attempt. Only a video that is cut into windows or scenes has any."""
        key = _key(spec, versions, info)
        looked_for = attempt > 1 and spec.sampling.in_parts
        summed_up = any(isinstance(task, Caption) and task.summary for task in spec.tasks)
        return cls(keeper, key, keeper.kept(key) if looked_for else (), summed_up)

    @property
    def done(self) -> frozenset[int]:
        """Ordinals of the windows that need not be looked at again."""
        return frozenset(segment.ordinal for found in self.earlier for segment in found.segments)

    def interview(self, scenes: Sequence[Scene], ask: Callable[[Sequence[Scene]], Observations]) -> JobResult:
        """Ask about the scenes that are left, and put everything together; media are still missing."""
        found = list(self.earlier)
        for group in _groups(scenes):
            found.append(_found(group, ask(group)))
            # The last are written with the job's end, if that comes next.
            if group[-1] is not scenes[-1] or (self.summed_up and group[-1].kind == "video"):
                self.keeper.keep(self.key, found[-1])
        fresh = found[len(self.earlier) :]
        return _together(found, [each.times for each in fresh])

    def sum_up(
        self, found: JobResult, ask: Callable[[Sequence[SegmentResult], Sequence[CaptionResult]], Observations]
    ) -> JobResult:
        """What was found, with the summaries of its captions that the job wants."""
        if not self.summed_up:
            return found
        summaries = _found((), ask(found.segments, found.captions))
        return _together([found, summaries], [found.times, summaries.times])


def _groups(scenes: Sequence[Scene]) -> Iterator[Sequence[Scene]]:
    for start in range(0, len(scenes), WINDOWS_TOGETHER):
        yield scenes[start : start + WINDOWS_TOGETHER]


def _found(scenes: Sequence[Scene], seen: Observations) -> JobResult:
    times = StageTimes(wait_s=seen.wait_s, vision_s=seen.vision_s, prefill_s=seen.prefill_s, generate_s=seen.generate_s)
    segments = tuple(scene.segment for scene in scenes)
    return JobResult((), segments, seen.captions, seen.answers, seen.groundings, times, seen.summaries)


def _together(parts: Sequence[JobResult], times: Sequence[StageTimes]) -> JobResult:
    ordered: tuple[SegmentResult, ...] = tuple(
        sorted((segment for part in parts for segment in part.segments), key=lambda segment: segment.ordinal)
    )
    return JobResult(
        media=(),
        segments=ordered,
        captions=tuple(row for part in parts for row in part.captions),
        answers=tuple(row for part in parts for row in part.answers),
        groundings=tuple(row for part in parts for row in part.groundings),
        times=StageTimes(
            wait_s=sum(each.wait_s for each in times),
            vision_s=sum(each.vision_s for each in times),
            prefill_s=sum(each.prefill_s for each in times),
            generate_s=sum(each.generate_s for each in times),
        ),
        summaries=tuple(row for part in parts for row in part.summaries),
    )


def _key(spec: JobSpec, versions: Sequence[ObjectVersion], info: ModelInfo) -> str:
    """The same only where the same objects are asked the same by the same model, and windows are kept alike."""
    asked = spec.model_dump_json(include={"media", "tasks", "sampling", "generation"})
    cut_by = detector_version() if spec.sampling.scenes else None
    parts = (PROMPTS_VERSION, asked, versions, info.path, info.revision, info.precision, cut_by)
    return hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()
