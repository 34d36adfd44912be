"""Results as a flat table: one row per caption, summary, answer and box."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from reelmill.job_results import JobResults
from reelmill.schema import AnswerResult, CaptionResult, GroundingResult, SummaryResult

RowKind = Literal["caption", "summary", "answer", "box", "absent", "malformed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One line of CSV, Parquet and pandas exports; the columns are these fields, in this order.

    Attributes:
        job_id: the job that found it out.
        kind: `caption`, `summary`, `answer` or `box`; a phrase without a box gives one row too: `absent` (not there) or
            `malformed` (the answer could not be understood, see `problem`).
        media_uri: what it speaks of; the first one where a job of several images speaks of all.
        media_ordinal: its place in the job; None where it speaks of several.
        segment: the stretch that was answered as one, from 0; None of a summary, which is of all of them.
        start_s, end_s: of the segment, seconds; None for images.
        task, ordinal: the place in the job's tasks, and of the question or phrase in its task.
        box: the place of the box among those of its phrase and frame; None without a box.
        frame_index, timestamp_s: the frame that the phrase was looked for in; the time is None for images.
        asked: the question or the phrase; None for captions.
        text: what the model said, without the template's markup; for a box the answer that it stands in.
        label: of the box, as the model said it.
        x1, y1, x2, y2: corners in 0–1000 of the upright source.
        x1_px, y1_px, x2_px, y2_px: corners in its pixels.
        finish_reason: `stop`; `length` where the text was cut off at `max_new_tokens`; `repetitive` where it ran into a
            loop and was stopped.
        problem: why an answer is malformed, or not of its schema.
        value: of an answer of a schema, JSON text.
        probabilities: of the choices of an answer, JSON text.
        labels: the job's.
    """

    job_id: UUID
    kind: RowKind
    media_uri: str
    media_ordinal: int | None = None
    segment: int | None
    start_s: float | None = None
    end_s: float | None = None
    task: int
    ordinal: int
    box: int | None = None
    frame_index: int | None = None
    timestamp_s: float | None = None
    asked: str | None = None
    text: str
    label: str | None = None
    x1: float | None = None
    y1: float | None = None
    x2: float | None = None
    y2: float | None = None
    x1_px: float | None = None
    y1_px: float | None = None
    x2_px: float | None = None
    y2_px: float | None = None
    finish_reason: str
    problem: str | None = None
    value: str | None = None
    probabilities: str | None = None
    labels: dict[str, str]


CORNERS = ("x1", "y1", "x2", "y2", "x1_px", "y1_px", "x2_px", "y2_px")


def rows(found: JobResults) -> tuple[ResultRow, ...]:
    """The rows of one job: captions, summaries, answers, then phrases with their boxes."""
    return tuple(_rows(found))


def _rows(found: JobResults) -> Iterator[ResultRow]:
    table = _Table(found)
    for caption in found.captions:
        yield table.said(caption, "caption", asked=None, ordinal=0)
    for summary in found.summaries:
        yield table.summed_up(summary)
    for answer in found.answers:
        yield table.answered(answer)
    for grounding in found.groundings:
        yield from table.grounded(grounding)


class _Table:
    """Fills in what all rows of a job share."""

    def __init__(self, found: JobResults) -> None:
        self._found = found
        self._segments = {segment.ordinal: segment for segment in found.segments}

    def said(
        self, result: CaptionResult | AnswerResult, kind: RowKind, *, asked: str | None, ordinal: int
    ) -> ResultRow:
        media = 0 if len(self._found.media) == 1 else None
        return ResultRow(kind=kind, ordinal=ordinal, asked=asked, **self._shared(result, media))

    def summed_up(self, summary: SummaryResult) -> ResultRow:
        starts = [segment.start_s for segment in self._found.segments if segment.start_s is not None]
        ends = [segment.end_s for segment in self._found.segments if segment.end_s is not None]
        return ResultRow(
            job_id=self._found.job_id,
            kind="summary",
            media_uri=self._found.media[0].uri,
            media_ordinal=0,
            segment=None,
            start_s=min(starts, default=None),
            end_s=max(ends, default=None),
            task=summary.task,
            ordinal=0,
            text=summary.text,
            finish_reason=summary.generated.finish_reason,
            labels=self._found.labels,
        )

    def answered(self, answer: AnswerResult) -> ResultRow:
        said = self.said(answer, "answer", asked=answer.question, ordinal=answer.ordinal)
        value, probabilities = _json(answer.value), _json(answer.probabilities)
        return replace(said, value=value, probabilities=probabilities, problem=answer.problem)

    def grounded(self, grounding: GroundingResult) -> Iterator[ResultRow]:
        shared = self._shared(grounding, grounding.frame.media_ordinal)
        shared |= {"ordinal": grounding.ordinal, "asked": grounding.phrase, "problem": grounding.problem}
        shared |= {"frame_index": grounding.frame.frame_index, "timestamp_s": grounding.frame.timestamp_s}
        for number, box in enumerate(grounding.boxes):
            corners = {name: getattr(box, name) for name in CORNERS}
            yield ResultRow(kind="box", box=number, label=box.label, **corners, **shared)
        if not grounding.boxes:
            yield ResultRow(kind="malformed" if grounding.status == "malformed" else "absent", **shared)

    def _shared(
        self, result: CaptionResult | AnswerResult | GroundingResult, media_ordinal: int | None
    ) -> dict[str, Any]:
        segment = self._segments.get(result.segment)
        return {
            "job_id": self._found.job_id,
            "media_uri": self._found.media[media_ordinal or 0].uri,
            "media_ordinal": media_ordinal,
            "segment": result.segment,
            "start_s": segment.start_s if segment else None,
            "end_s": segment.end_s if segment else None,
            "task": result.task,
            "text": result.generated.text,
            "finish_reason": result.generated.finish_reason,
            "labels": self._found.labels,
        }


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
