"""A decoded frame, still in the decoder's colours."""

from __future__ import annotations

from dataclasses import dataclass

from av.video.frame import VideoFrame


@dataclass(frozen=True, slots=True, eq=False)
class PlacedFrame:
    """`index` in display order."""

    index: int
    frame: VideoFrame
