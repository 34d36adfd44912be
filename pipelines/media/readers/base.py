"""What every reader of frames offers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.errors import MediaTooLargeError
from pipelines.media.source import MediaSource
from pipelines.media.tiling import Picture, Size
from pipelines.media.types import MediaInfo


@dataclass(frozen=True, slots=True, eq=False)
class ReadFrame:
    """A frame that was really read: near a damaged part, `index` may differ from the one asked for.

    Attributes:
        timestamp_s: seconds since the first frame; None for an image.
        picture: RGB, upright.
    """

    index: int
    timestamp_s: float | None
    picture: Picture


class FrameReader(Protocol):
    """One open media file."""

    @property
    def info(self) -> MediaInfo:
        """What the file holds; `frame_count` and `fps` are those that indices refer to."""
        ...

    @property
    def decode_errors(self) -> int:
        """Damaged packets and frames met so far, including those that the decoder papered over."""
        ...

    def read(self, indices: Sequence[int], at_least: Size | None = None) -> Iterator[ReadFrame]:
        """One frame per index, in order. Indices never descend; equal ones give the same frame again.

        Args:
            at_least: pictures may come smaller than `info` says, but no smaller than this; None for whole ones.

        Raises:
            MediaError: the file ends early, holds no readable frame, or cannot be decoded.
            ReaderGaveUpError: another reader should try.
        """
        ...

    def thumbnails(self, indices: Sequence[int], side: int) -> Iterator[ReadFrame]:
        """As `read`, small: pictures of at most `side` pixels, quick to make. Damage met is not counted again."""
        ...

    def close(self) -> None:
        """Release the decoder. The file stays open: it belongs to the source."""
        ...


class ReaderGaveUpError(Exception):
    """This reader cannot read this file as it should be; never leaves the package."""


def small_size(info: MediaInfo, side: int) -> Size:
    """Upright, its longer side of at most `side` pixels."""
    scale = min(1.0, side / max(info.width, info.height))
    return Size(max(1, round(info.width * scale)), max(1, round(info.height * scale)))


def check_pixels(source: MediaSource, width: int, height: int) -> None:
    """Raise MediaTooLargeError if a frame has more pixels than the limit."""
    if width * height > source.limits.max_pixels:
        message = f"frames of {width}x{height} pixels, the limit is {source.limits.max_pixels} pixels"
        raise MediaTooLargeError(message, subject=source.name)


def check_frame_count(source: MediaSource, frame_count: int) -> None:
    """Raise MediaTooLargeError if there are more frames than the limit."""
    if frame_count > source.limits.max_frames:
        message = f"more than {source.limits.max_frames} frames"
        raise MediaTooLargeError(message, subject=source.name)
