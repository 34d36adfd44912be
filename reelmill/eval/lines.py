"""A line of a labelled file, checked field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from reelmill.eval.truth import (
    Corners,
    Labels,
    Track,
    TrackPoint,
    TrueAnswer,
    TrueBoxes,
    TrueCaption,
    TrueRegion,
    TrueTask,
)

DEFAULT_SCORE = "answers"


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]


class Line(BaseModel):
    """The base of a line and of what stands in it; further fields of text are labels."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    labels: dict[str, str] = Field(default_factory=dict)

    def all_labels(self) -> dict[str, str]:
        """Those in `labels`, and every unknown field that is text."""
        return {name: value for name, value in (self.model_extra or {}).items() if isinstance(value, str)} | self.labels


class BoxLine(BaseModel):
    """`{"box_px": [x1, y1, x2, y2], "frame_index": 0, "image": 0}`."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    box_px: Corners
    frame_index: int = Field(default=0, ge=0)
    image: int = Field(default=0, ge=0)


class TrackLine(BaseModel):
    """Points, or the first and the last box of a motion in a straight line."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    points: tuple[BoxLine, ...] = ()
    start_px: Corners | None = None
    end_px: Corners | None = None
    image: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.points and (self.start_px is None or self.end_px is None):
            raise ValueError("a track has `points`, or `start_px` and `end_px`")
        return self

    def track(self, frames: int) -> Track:
        """`frames`: of its media."""
        points = [TrackPoint(point.frame_index, point.box_px) for point in self.points]
        if self.start_px is not None and self.end_px is not None:
            points = [TrackPoint(0, self.start_px), TrackPoint(max(frames - 1, 0), self.end_px)]
        return Track(tuple(sorted(points, key=lambda point: point.frame_index)), self.image)


class CaptionLine(Line):
    kind: Literal["caption"]
    truth: Texts
    prompt: str | None = None

    def tasks(self, labels: Labels, frames: int) -> list[TrueTask]:
        return [TrueCaption(self.truth, self.prompt, {**labels, **self.all_labels()})]


class AskLine(Line):
    """One question with its `truth`, or a conversation: `questions` and as many `truths`."""

    kind: Literal["ask"]
    question: str = ""
    truth: Texts | None = None
    questions: tuple[str, ...] = ()
    truths: tuple[Texts, ...] = ()
    score: str = ""
    slice: str = ""
    """An older name of `score`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        alone = bool(self.question) and self.truth is not None
        if alone == bool(self.questions) or len(self.questions) != len(self.truths):
            raise ValueError("an ask has `question` and `truth`, or `questions` and as many `truths`")
        return self

    def tasks(self, labels: Labels, frames: int) -> list[TrueTask]:
        score, known = self.score or self.slice or DEFAULT_SCORE, {**labels, **self.all_labels()}
        if self.truth is not None:
            return [TrueAnswer(self.question, self.truth, score, None, known)]
        turns = enumerate(zip(self.questions, self.truths, strict=True))
        return [TrueAnswer(question, truths, score, turn, known) for turn, (question, truths) in turns]


class GroundLine(Line):
    """`boxes` say what is known of the frames that they name; `tracks` of all; neither: it is not there."""

    kind: Literal["ground"]
    phrase: str = Field(min_length=1)
    boxes: tuple[BoxLine, ...] = ()
    tracks: tuple[TrackLine, ...] = ()

    def tasks(self, labels: Labels, frames: int) -> list[TrueTask]:
        known = {**labels, **self.all_labels()}
        if self.tracks or not self.boxes:
            return [TrueBoxes(self.phrase, tuple(track.track(frames) for track in self.tracks), None, known)]
        tracks = tuple(Track((TrackPoint(box.frame_index, box.box_px),), box.image) for box in self.boxes)
        named = frozenset((box.image, box.frame_index) for box in self.boxes)
        return [TrueBoxes(self.phrase, tracks, named, known)]


class ReferLine(Line):
    kind: Literal["refer"]
    phrase: str = Field(min_length=1)
    box_px: Corners

    def tasks(self, labels: Labels, frames: int) -> list[TrueTask]:
        return [TrueRegion(self.phrase, self.box_px, {**labels, **self.all_labels()})]


TaskLine = Annotated[CaptionLine | AskLine | GroundLine | ReferLine, Field(discriminator="kind")]


class MediaLine(Line):
    """One media (or the images of one job) with its tasks; or with one `task` and its `truth` beside it."""

    media: Texts
    tasks: tuple[TaskLine, ...] = Field(min_length=1)
    frames: int = Field(default=1, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _one_task(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping) or "task" not in fields:
            return fields
        rest = {name: value for name, value in fields.items() if name not in ("task", "truth")}
        task = fields["task"]
        if not isinstance(task, Mapping):
            raise ValueError('`task` is an object, like {"kind": "caption"}')
        return {**rest, "tasks": [{**task, **({"truth": fields["truth"]} if "truth" in fields else {})}]}

    def truths(self) -> tuple[TrueTask, ...]:
        """What is known, each with the line's labels."""
        labels = self.all_labels()
        return tuple(truth for task in self.tasks for truth in task.tasks(labels, self.frames))
