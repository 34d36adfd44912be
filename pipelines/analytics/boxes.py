"""The model's words about places, understood: `<ref>a cat</ref><box>[[x1, y1, x2, y2], …]</box>`.

The format is that of the InternVL model cards: corners as whole numbers 0–1000, relative to the whole picture.
An answer is understood as a whole or not at all.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from reelmill.schema import Box

SCALE = 1000
_MARKED = re.compile(r"(?:<ref>(?P<label>.*?)</ref>\s*)?<box>(?P<boxes>.*?)</box>", re.DOTALL)
_BARE = re.compile(r"(?P<boxes>\[\s*\[.*\]\s*\])", re.DOTALL)
_QUAD = re.compile(r"\[([^\[\]]*)\]")
_MARKS = ("<box>", "</box>", "[", "]")


class MalformedBoxesError(ValueError):
    """The answer speaks of boxes in a way that cannot be understood; the message says which part."""


@dataclass(frozen=True, slots=True)
class RawBox:
    """Corners in 0–1000, and the label between `<ref>` and `</ref>`."""

    label: str
    x1: float
    y1: float
    x2: float
    y2: float

    def in_source(self, width: int, height: int) -> Box:
        """The same box, with its corners in pixels of a source of this size too."""
        x, y = width / SCALE, height / SCALE
        corners = (self.x1, self.y1, self.x2, self.y2)
        return Box(self.label, *corners, self.x1 * x, self.y1 * y, self.x2 * x, self.y2 * y)


def parse_boxes(text: str, phrase: str) -> tuple[RawBox, ...]:
    """Every box that the answer names, in order; empty when it names none.

    Args:
        text: the raw answer, markers included.
        phrase: the label of boxes that carry none.

    Raises:
        MalformedBoxesError: unclosed marks, not four numbers, outside 0–1000, or corners the wrong way round.
    """
    groups = list(_MARKED.finditer(text)) or list(_BARE.finditer(text))
    if not groups:
        if any(mark in text for mark in _MARKS):
            raise MalformedBoxesError("a box is opened but not closed")
        return ()
    if text.count("<box>") != text.count("</box>"):
        raise MalformedBoxesError("a box is opened but not closed")
    return tuple(box for group in groups for box in _boxes_of(group, phrase))


def _boxes_of(group: re.Match[str], phrase: str) -> list[RawBox]:
    inside = group["boxes"].strip()
    label = (group.groupdict().get("label") or phrase).strip()
    if inside in ("", "[]", "[[]]"):
        return []
    quads = _QUAD.findall(inside)
    if not quads or _QUAD.sub("", inside).strip(" \n\t,[]"):
        raise MalformedBoxesError(f"not a list of boxes: {inside[:80]!r}")
    return [_box(label, quad) for quad in quads]


def _box(label: str, quad: str) -> RawBox:
    try:
        corners = [float(number) for number in quad.split(",")]
    except ValueError:
        raise MalformedBoxesError(f"not four numbers: [{quad[:80]}]") from None
    if len(corners) != 4 or not all(math.isfinite(corner) for corner in corners):
        raise MalformedBoxesError(f"not four numbers: [{quad[:80]}]")
    x1, y1, x2, y2 = corners
    if not (0 <= x1 < x2 <= SCALE and 0 <= y1 < y2 <= SCALE):
        raise MalformedBoxesError(f"corners out of order or outside 0–{SCALE}: [{quad[:80]}]")
    return RawBox(label, x1, y1, x2, y2)
