"""What a job's rows say, laid beside the truth of its media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.score import Tally
from demo.world import Truth, box_at
from reelmill.schema import AnswerResult, CaptionResult, GroundingResult


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that was asked: what the model said, what is true, and whether that is the same."""

    kind: str
    asked: str
    said: str
    truth: str
    right: bool


def judge(
    truth: Truth,
    captions: Sequence[CaptionResult],
    answers: Sequence[AnswerResult],
    groundings: Sequence[GroundingResult],
    tally: Tally,
) -> tuple[Verdict, ...]:
    """Compare everything that was said about one media with its truth, and add it to the tally."""
    wanted = {_asked(task): task for task in truth.tasks}
    found = [_caption(row, wanted["caption"], tally) for row in captions]
    found += [_answer(row, wanted[row.question], tally) for row in answers]
    found += [_grounding(row, wanted[row.phrase], truth, tally) for row in groundings]
    return tuple(found)


def true_boxes(task: Mapping[str, Any], truth: Truth, frame_index: int) -> list[tuple[float, float, float, float]]:
    """The right boxes of a ground task in one frame, in source pixels."""
    return [box_at(track, frame_index, truth.frames) for track in task["tracks"]]


def _asked(task: Mapping[str, Any]) -> str:
    return str(task.get("question") or task.get("phrase") or "caption")


def _caption(row: CaptionResult, task: Mapping[str, Any], tally: Tally) -> Verdict:
    said = row.generated.text
    return Verdict("caption", "caption", said, task["truth"], tally.caption(task["truth"], said))


def _answer(row: AnswerResult, task: Mapping[str, Any], tally: Tally) -> Verdict:
    said = row.generated.text
    return Verdict("ask", row.question, said, task["truth"], tally.answer(task["truth"], said, task["slice"]))


def _grounding(row: GroundingResult, task: Mapping[str, Any], truth: Truth, tally: Tally) -> Verdict:
    right = true_boxes(task, truth, row.frame.frame_index)
    overlaps = tally.boxes(right, [(b.x1_px, b.y1_px, b.x2_px, b.y2_px) for b in row.boxes])
    when = "" if row.frame.timestamp_s is None else f" at {row.frame.timestamp_s:.1f} s"
    said = ", ".join(f"IoU {overlap:.2f}" for overlap in overlaps) if row.boxes else row.status
    return Verdict("ground", row.phrase + when, said, f"{len(right)} boxes", all(o >= 0.5 for o in overlaps))
