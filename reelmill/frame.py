"""A frame that was looked at, with what was found on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reelmill.job_results import JobResults, StoredMedia
from reelmill.schema import Box, GroundingResult

if TYPE_CHECKING:
    from PIL import Image

Place = tuple[int, int]
"""The media's ordinal in its job, and the frame's index in that media."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled frame of a video, or one image.

    Attributes:
        media: what it belongs to; sizes are in `media.facts.width` and `.height`, pixels, upright.
        index: its place in the media, from 0; 0 for an image.
        timestamp_s: seconds since the first frame; None for an image.
        boxes: what was found on it, in the order of the phrases; a box without a label carries its phrase.
    """

    media: StoredMedia
    index: int
    timestamp_s: float | None
    boxes: tuple[Box, ...]

    @property
    def uri(self) -> str:
        """The media's URI."""
        return self.media.uri

    def draw(self, image: Image.Image | None = None) -> Image.Image:
        """A new RGB picture with the boxes and their labels on it.

        Args:
            image: a Pillow image of this frame at any size. Without it the media is read again, from this machine's
                files or from S3 with your own credentials: the very version that the worker read.

        Raises:
            PictureError: the media is gone, has been replaced or cannot be read from here; or the image does not
                have the frame's shape.
            MissingExtraError: Pillow or boto3 is missing (extra `export`), or for videos the decoders (`worker`).
        """
        from reelmill.drawing import draw_boxes

        if image is None:
            from reelmill.pictures import read_picture

            image = read_picture(self.media, self.index)
        return draw_boxes(image, self)


def frames(found: JobResults) -> tuple[Frame, ...]:
    """The frames of a job, once each: windows may touch, and a short video is sampled more often than it has frames."""
    times: dict[Place, float | None] = {}
    boxes: dict[Place, list[Box]] = {}
    for segment in found.segments:
        times |= {(frame.media_ordinal, frame.frame_index): frame.timestamp_s for frame in segment.frames}
    for grounding in found.groundings:
        place = (grounding.frame.media_ordinal, grounding.frame.frame_index)
        times.setdefault(place, grounding.frame.timestamp_s)
        boxes.setdefault(place, []).extend(_labelled(grounding))
    return tuple(
        Frame(found.media[place[0]], place[1], times[place], tuple(boxes.get(place, ()))) for place in sorted(times)
    )


def _labelled(grounding: GroundingResult) -> list[Box]:
    return [box if box.label else replace(box, label=grounding.phrase) for box in grounding.boxes]
