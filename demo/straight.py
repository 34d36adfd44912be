"""Jobs worked here and now: production's stages from file to observations, without queue and database."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

from pipelines.cancellation import Cancellation
from reelmill.eval.asking import job_of
from reelmill.eval.judge import judge
from reelmill.eval.run import Judged, Questioning
from reelmill.eval.truth import LabelledMedia
from reelmill.job_results import JobResults, StoredMedia
from reelmill.ledger.claim import ClaimedJob, ClaimedMedia
from reelmill.schema import JobResult, JobSpec
from worker.runner import Runner


@dataclass(frozen=True)
class StraightMill:
    """Works labelled media with a Runner, some at once, and judges them."""

    runner: Runner
    at_once: int = 8

    def judged(self, media: Sequence[LabelledMedia], how: Questioning) -> list[Judged]:
        """Every media, in their order. Raises what the first failing job raises."""
        with ThreadPoolExecutor(self.at_once) as threads:
            return list(threads.map(lambda each: self._judged(each, how), media))

    def _judged(self, media: LabelledMedia, how: Questioning) -> Judged:
        spec = job_of(media, how.model, how.sampling, how.generation)
        found = results_of(self.runner.run(claimed(spec), lambda versions: None, Cancellation()), spec)
        return Judged(media, found, judge(media, found))


def claimed(spec: JobSpec) -> ClaimedJob:
    """As a worker would hold it."""
    media = tuple(ClaimedMedia(ordinal, uri, None, None, None) for ordinal, uri in enumerate(spec.media))
    return ClaimedJob(uuid4(), 1, uuid4(), spec, media, "none")


def results_of(found: JobResult, spec: JobSpec) -> JobResults:
    """As the ledger would give them back."""
    return JobResults(
        job_id=uuid4(),
        labels={},
        media=tuple(StoredMedia(uri, None, None, facts) for uri, facts in zip(spec.media, found.media, strict=True)),
        segments=found.segments,
        captions=found.captions,
        answers=found.answers,
        groundings=found.groundings,
        summaries=found.summaries,
        times=found.times,
        prompt_tokens=0,
        output_tokens=0,
    )
