"""Results of a job as the ledger gives them."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from reelmill.job_results import JobResults, StoredMedia
from reelmill.schema import (
    AnswerResult,
    Box,
    CaptionResult,
    FrameRef,
    Generated,
    GroundingResult,
    MediaFacts,
    SegmentResult,
    StageTimes,
    SummaryResult,
)

FIRST, SECOND = FrameRef(0, 3, 0.125, 1), FrameRef(0, 9, 0.375, 1)
CAT = Box("cat", 100, 200, 300, 400, 64.0, 96.0, 192.0, 192.0)


def words(text: str) -> Generated:
    return Generated(text, f"{text}<|im_end|>", "stop", prompt_tokens=10, output_tokens=3)


def stored(uri: str = "s3://archive/a.mp4", ordinal: int = 0, **facts: object) -> StoredMedia:
    known = MediaFacts(ordinal, "video", "mp4", 640, 480, 1234, "sha", "h264", 30, 1.25, 24.0)
    return StoredMedia(uri, '"etag"', None, replace(known, **facts))  # type: ignore[arg-type]


def job_results(number: int = 1, *, media: tuple[StoredMedia, ...] = (stored(),)) -> JobResults:
    """Two windows of a video; a cat found twice in one frame, a dog not there, a bird not understood."""
    return JobResults(
        job_id=UUID(int=number),
        labels={"who": "mé", "n": str(number)},
        media=media,
        segments=(SegmentResult(0, 0.0, 0.25, (FIRST,)), SegmentResult(1, 0.25, 1.25, (FIRST, SECOND))),
        captions=(CaptionResult(0, 0, words('a "cat",\nsleeping')), CaptionResult(1, 0, words("猫"))),
        answers=(AnswerResult(1, 1, 1, "Where?", words("there")),),
        groundings=(
            GroundingResult(0, 2, 0, "the cat", FIRST, "found", words("[[…]]"), (CAT, replace(CAT, label="", x2=310))),
            GroundingResult(1, 2, 1, "dog", SECOND, "absent", words("none")),
            GroundingResult(1, 2, 2, "bird", SECOND, "malformed", words("[[1,"), problem="cut off"),
        ),
        times=StageTimes(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
        prompt_tokens=40,
        output_tokens=12,
        tiles=3,
    )


def summed_up(number: int = 1) -> JobResults:
    """The same, and what its captions come to."""
    return replace(job_results(number), summaries=(SummaryResult(0, 2, 1, words("A cat sleeps.")),))
