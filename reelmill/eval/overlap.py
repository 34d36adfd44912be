"""How well boxes lie on each other."""

from __future__ import annotations

from collections.abc import Sequence

AnyBox = Sequence[float]


def iou(one: AnyBox, two: AnyBox) -> float:
    """Intersection over union of x1, y1, x2, y2 boxes in the same unit; 0 for an empty or inverted box."""
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (_area(one) + _area(two) - both)


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


def _area(box: AnyBox) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
