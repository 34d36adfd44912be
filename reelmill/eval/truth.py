"""What is known of media beforehand: plain values, whatever file they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright source; right and bottom edges are exclusive."""
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """Where a thing is in one frame."""

    frame_index: int
    box_px: Corners


@dataclass(frozen=True, slots=True)
class Track:
    """One thing over the frames of one media: points in the order of their frames, and straight lines between them.

    Before its first and after its last point it is not there. `image` is the place of its media in the job.
    """

    points: tuple[TrackPoint, ...]
    image: int = 0

    def box_at(self, frame_index: int) -> Corners | None:
        """Its box in that frame; None where it is not there."""
        for point in self.points:
            if point.frame_index == frame_index:
                return point.box_px
        for one, two in pairwise(self.points):
            if one.frame_index < frame_index < two.frame_index:
                return _between(one, two, frame_index)
        return None


@dataclass(frozen=True, slots=True)
class TrueCaption:
    """A caption that is right, or several. `prompt` as in `Caption`."""

    truths: tuple[str, ...]
    prompt: str | None = None
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrueAnswer:
    """A question, the answers that are right, and the score that it counts for: counts, attributes, reading, …

    `turn` is its place in a conversation, None when it stands alone.
    """

    question: str
    truths: tuple[str, ...]
    score: str
    turn: int | None = None
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrueBoxes:
    """A phrase and all that it names; no tracks when that is not there.

    `known_frames`: the only frames (media, index) of which the truth is known; None when it is known of all.
    """

    phrase: str
    tracks: tuple[Track, ...]
    known_frames: frozenset[tuple[int, int]] | None = None
    labels: Labels = field(default_factory=dict)

    def at(self, image: int, frame_index: int) -> tuple[Corners, ...] | None:
        """The boxes that are right in one frame; None where that is not known."""
        if self.known_frames is not None and (image, frame_index) not in self.known_frames:
            return None
        boxes = (track.box_at(frame_index) for track in self.tracks if track.image == image)
        return tuple(box for box in boxes if box is not None)


@dataclass(frozen=True, slots=True)
class TrueRegion:
    """A referring expression and its one box, asked and read as InternVL2's card does for RefCOCO."""

    phrase: str
    box_px: Corners
    labels: Labels = field(default_factory=dict)


TrueTask = TrueCaption | TrueAnswer | TrueBoxes | TrueRegion


@dataclass(frozen=True, slots=True)
class LabelledMedia:
    """One media object, or an ordered set of images, and all that is known of it."""

    uris: tuple[str, ...]
    tasks: tuple[TrueTask, ...]


def _between(one: TrackPoint, two: TrackPoint, frame_index: int) -> Corners:
    share = (frame_index - one.frame_index) / (two.frame_index - one.frame_index)
    x1, y1, x2, y2 = (a + (b - a) * share for a, b in zip(one.box_px, two.box_px, strict=True))
    return (x1, y1, x2, y2)
