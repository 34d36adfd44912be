"""Verdicts on boxes."""

from __future__ import annotations

from collections.abc import Sequence

from reelmill.eval.overlap import match_boxes
from reelmill.eval.refcoco import refcoco_box
from reelmill.eval.truth import Corners, TrueBoxes, TrueRegion
from reelmill.eval.verdict import RIGHT_FROM_IOU, Mark, Place, Verdict
from reelmill.schema import AnswerResult, GroundingResult, MediaFacts

ABSENT = "absent"
_NO_OVERLAP = Mark("refcoco_mean_iou", 0.0, is_share=False)


def judge_phrase(uris: tuple[str, ...], task: TrueBoxes, right: Sequence[Corners], row: GroundingResult) -> Verdict:
    """One phrase in one frame; `right` are the boxes that it names there. Each found box counts for one of them."""
    found = tuple((box.x1_px, box.y1_px, box.x2_px, box.y2_px) for box in row.boxes)
    overlaps = match_boxes(right, found)
    said = ", ".join(f"IoU {overlap:.2f}" for overlap in overlaps) if found and right else _without(row)
    return Verdict(
        Place(uris, "boxes", row.phrase, row.segment, 0, row.frame.media_ordinal, row.frame.frame_index),
        "boxes" if right else ABSENT,
        said,
        (_boxes(len(right)),),
        all(overlap >= RIGHT_FROM_IOU for overlap in overlaps) and len(found) == len(right) and _understood(row),
        _marks(overlaps, found) if right else (Mark(ABSENT, not found and _understood(row)),),
        task.labels,
        found,
        tuple(right),
        timestamp_s=row.frame.timestamp_s,
    )


def judge_region(uris: tuple[str, ...], task: TrueRegion, row: AnswerResult, facts: MediaFacts) -> Verdict:
    """One referring expression, read as the card's script does."""
    box = refcoco_box(row.generated.raw_text, facts.width, facts.height)
    (overlap,) = match_boxes([task.box_px], [box])
    right = overlap >= RIGHT_FROM_IOU
    place = Place(uris, "boxes", task.phrase, row.segment, turn=1)
    marks = (Mark("refcoco_iou50", right), Mark("refcoco_mean_iou", overlap, is_share=False))
    said = f"IoU {overlap:.2f}"
    return Verdict(place, "refcoco", said, (_boxes(1),), right, marks, task.labels, (box,), (task.box_px,))


def unfound(uris: tuple[str, ...], task: TrueBoxes | TrueRegion) -> Verdict:
    """What was never looked for: once, whatever the number of frames would have been."""
    if isinstance(task, TrueRegion):
        place, nothing = Place(uris, "boxes", task.phrase, turn=1), (Mark("refcoco_iou50", 0.0), _NO_OVERLAP)
        return Verdict(place, "refcoco", "", (_boxes(1),), False, nothing, task.labels)
    marks = _marks([0.0] * len(task.tracks), ()) if task.tracks else (Mark(ABSENT, 0.0),)
    score, truths = "boxes" if task.tracks else ABSENT, (_boxes(len(task.tracks)),)
    return Verdict(Place(uris, "boxes", task.phrase), score, "", truths, False, marks, task.labels)


def _marks(overlaps: Sequence[float], found: Sequence[Corners]) -> tuple[Mark, ...]:
    hits = sum(overlap >= RIGHT_FROM_IOU for overlap in overlaps)
    return (
        *(Mark("boxes_iou50", overlap >= RIGHT_FROM_IOU) for overlap in overlaps),
        *(Mark("boxes_mean_iou", overlap, is_share=False) for overlap in overlaps),
        *(Mark("boxes_precision50", place < hits) for place in range(len(found))),
    )


def _understood(row: GroundingResult) -> bool:
    return row.status != "malformed"


def _without(row: GroundingResult) -> str:
    return _boxes(len(row.boxes)) if row.boxes else row.status


def _boxes(count: int) -> str:
    return {0: "not there", 1: "1 box"}.get(count, f"{count} boxes")
