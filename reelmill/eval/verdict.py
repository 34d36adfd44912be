"""One thing that was asked: what the model said, what is true, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reelmill.eval.truth import Corners, Labels

Kind = Literal["caption", "answer", "boxes"]
RIGHT_FROM_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Place:
    """What was asked of what: the same in two runs over the same media.

    `turn` tells apart what is asked twice in the same words; `image` and `frame_index` are 0 where the whole is meant.
    """

    uris: tuple[str, ...]
    kind: Kind
    asked: str
    segment: int = 0
    turn: int = 0
    image: int = 0
    frame_index: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """A value in [0, 1] for one metric. `is_share`: it is 0 or 1, so their mean is a proportion."""

    metric: str
    value: float
    is_share: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer is worth.

    Attributes:
        score: what it counts for: captions, boxes, counts, reading, …
        said: the model's words; for boxes their overlaps.
        found: its boxes in pixels of the source; truth_boxes: the right ones.
        answered: False where there is no answer, because the job did not succeed: that is never right.
        timestamp_s: of its frame; None where the whole is meant, and for images.
    """

    place: Place
    score: str
    said: str
    truths: tuple[str, ...]
    right: bool
    marks: tuple[Mark, ...]
    labels: Labels
    found: tuple[Corners, ...] = ()
    truth_boxes: tuple[Corners, ...] = ()
    answered: bool = True
    timestamp_s: float | None = None

    @property
    def truth(self) -> str:
        """What is right, in one line."""
        return " / ".join(self.truths)
