"""What a succeeded job found out, as a user holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from reelmill.errors import SpecError
from reelmill.schema import (
    AnswerResult,
    Box,
    CaptionResult,
    GroundingResult,
    MediaFacts,
    SegmentResult,
    StageTimes,
    SummaryResult,
)

if TYPE_CHECKING:
    from PIL import Image

    from reelmill.frame import Frame
    from reelmill.rows import ResultRow


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """One media object of a job: its URI, the version that was read, and what was found in it."""

    uri: str
    etag: str | None
    version_id: str | None
    facts: MediaFacts


@dataclass(frozen=True, slots=True)
class JobResults:
    """All that a succeeded job found out. Captions and answers per segment and task; boxes inside groundings.

    Attributes:
        media: what was read, in the order of submission.
        segments: the stretches that were answered as one, each with its sampled frames; one for images.
        captions: one per segment and Caption task.
        answers: one per segment and question.
        groundings: one per phrase and frame, also where nothing was found (`status`).
        summaries: of a video in parts, one per Caption task that asked for it.
        times: seconds spent in each stage.
        tiles: that its media became; 0 of jobs from before they were counted.
        prompt_tokens, output_tokens: of all its requests together.
    """

    job_id: UUID
    labels: dict[str, str]
    media: tuple[StoredMedia, ...]
    segments: tuple[SegmentResult, ...]
    captions: tuple[CaptionResult, ...]
    answers: tuple[AnswerResult, ...]
    groundings: tuple[GroundingResult, ...]
    times: StageTimes
    prompt_tokens: int
    output_tokens: int
    tiles: int = 0
    summaries: tuple[SummaryResult, ...] = ()

    @property
    def summary(self) -> str | None:
        """The text of the first summary; None where none was asked for, and of images."""
        return self.summaries[0].text if self.summaries else None

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Every box of every grounding, in order; which frame each lies on says `frames`."""
        return tuple(box for grounding in self.groundings for box in grounding.boxes)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Every frame that was sampled, once, by media and time, with the boxes found on it."""
        from reelmill.frame import frames

        return frames(self)

    def rows(self) -> tuple[ResultRow, ...]:
        """The same as a table: a row per caption, answer and box; see ResultRow."""
        from reelmill.rows import rows

        return rows(self)

    def draw(self, frame: int = 0, image: Image.Image | None = None) -> Image.Image:
        """A picture of a frame with its boxes and labels; see `Frame.draw`.

        Args:
            frame: its place in `frames`.

        Raises:
            SpecError: there is no such frame.
            PictureError, MissingExtraError: as `Frame.draw`.
        """
        known = self.frames
        if not -len(known) <= frame < len(known):
            raise SpecError(f"there are {len(known)} frames, counted from 0", subject=f"frame {frame}")
        return known[frame].draw(image)
