"""Rows as a worker writes them, for judging."""

from __future__ import annotations

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
)

Corners = tuple[float, float, float, float]
WIDTH, HEIGHT = 1000, 500


def words(text: str) -> Generated:
    return Generated(text, text, "stop", 1, 1)


def answer(question: str, text: str, task: int = 1, ordinal: int = 0) -> AnswerResult:
    return AnswerResult(0, task, ordinal, question, words(text))


def caption(text: str, task: int = 0) -> CaptionResult:
    return CaptionResult(0, task, words(text))


def grounding(phrase: str, *boxes: Corners, frame_index: int = 0, malformed: bool = False) -> GroundingResult:
    """Boxes in pixels."""
    found = tuple(Box(phrase, x1, y1 * 2, x2, y2 * 2, x1, y1, x2, y2) for x1, y1, x2, y2 in boxes)
    status = "malformed" if malformed else "found" if boxes else "absent"
    return GroundingResult(0, 2, 0, phrase, FrameRef(0, frame_index, None, 1), status, words(""), found)


def results(uri: str, *rows: CaptionResult | AnswerResult | GroundingResult, number: int = 1) -> JobResults:
    return JobResults(
        job_id=UUID(int=number),
        labels={},
        media=(StoredMedia(uri, None, None, MediaFacts(0, "image", "PNG", WIDTH, HEIGHT, 10, "ab")),),
        segments=(SegmentResult(0, None, None, (FrameRef(0, 0, None, 1),)),),
        captions=tuple(row for row in rows if isinstance(row, CaptionResult)),
        answers=tuple(row for row in rows if isinstance(row, AnswerResult)),
        groundings=tuple(row for row in rows if isinstance(row, GroundingResult)),
        times=StageTimes(),
        prompt_tokens=1,
        output_tokens=1,
    )
