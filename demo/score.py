"""Scores as pure functions: overlap of boxes, exact captions, normalised answers, and their sums.

`Tally` is what the demo and an evaluation feed one result at a time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

AnyBox = Sequence[float]

_BOX = re.compile(r"\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]")
_NUMBERS = {"zero": "0", "no": "no", "none": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}


def iou(one: AnyBox, two: AnyBox) -> float:
    """Intersection over union of x1, y1, x2, y2 boxes in the same unit; 0 for an empty or inverted box."""
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (_area(one) + _area(two) - both)


def _area(box: AnyBox) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def parse_boxes(answer: str) -> list[tuple[int, int, int, int]]:
    """All `[x1, y1, x2, y2]` of an answer, as they stand (thousandths)."""
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in _BOX.findall(answer)]


def match_boxes(truth: Sequence[AnyBox], found: Sequence[AnyBox]) -> list[float]:
    """Overlap for every true box, each found box used once, best pairs first; 0 where none is left."""
    pairs = sorted(((iou(t, f), i, j) for i, t in enumerate(truth) for j, f in enumerate(found)), reverse=True)
    overlaps, used = [0.0] * len(truth), set[int]()
    taken = set[int]()
    for overlap, i, j in pairs:
        if i not in taken and j not in used:
            overlaps[i] = overlap
            taken.add(i)
            used.add(j)
    return overlaps


def normalise_answer(answer: str) -> str:
    """Lower case, no articles, no closing punctuation, small numbers as digits: "The Red circle." is "red circle"."""
    words = re.sub(r"[^\w\s-]", " ", answer.lower()).split()
    return " ".join(_NUMBERS.get(word, word) for word in words if word not in ("a", "an", "the"))


def same_answer(truth: str, answer: str) -> bool:
    return normalise_answer(truth) == normalise_answer(answer)


def same_caption(truth: str, answer: str) -> bool:
    """Exactly right: nothing but space around is forgiven."""
    return truth.strip() == answer.strip()


class Tally:
    """Adds up results; `scores` gives shares in [0, 1] for every slice that had a result."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)

    def caption(self, truth: str, answer: str, kind: str = "") -> bool:
        """`kind` (image, video) is counted as a slice of its own, too."""
        right = same_caption(truth, answer)
        self._add("captions_exact", kind, float(right))
        return right

    def answer(self, truth: str, answer: str, name: str = "answers") -> bool:
        """`name` is the slice: counts, attributes, position, exists, motion."""
        right = same_answer(truth, answer)
        self._values[name].append(float(right))
        return right

    def boxes(self, truth: Sequence[AnyBox], found: Sequence[AnyBox], kind: str = "") -> list[float]:
        """Overlap of every true box with the box found for it; both in the same unit."""
        overlaps = match_boxes(truth, found)
        for overlap in overlaps:
            self._add("boxes_iou50", kind, float(overlap >= 0.5))
            self._add("boxes_mean_iou", "", overlap)
        return overlaps

    def _add(self, name: str, kind: str, value: float) -> None:
        self._values[name].append(value)
        if kind:
            self._values[f"{name}_{kind}"].append(value)

    def scores(self) -> dict[str, float]:
        return {name: sum(values) / len(values) for name, values in sorted(self._values.items())}

    def counts(self) -> dict[str, int]:
        """How many results stand behind each score."""
        return {name: len(values) for name, values in sorted(self._values.items())}
