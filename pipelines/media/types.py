"""What decoding hands on: uint8 tiles, and where each came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipelines.media.ranges import ByteRanges
from reelmill.schema.tasks import Sampling

Tiles = npt.NDArray[np.uint8]
"""uint8, shape [tiles, size, size, 3], RGB, contiguous."""


VideoLibrary = Literal["av", "decord"]
"""PyAV, or decord with PyAV for what decord is known to misread. The frames are the same."""


@dataclass(frozen=True, slots=True)
class TilingSpec:
    """How frames become tiles.

    Attributes:
        tile_size: side of a tile in pixels (the checkpoint's `force_image_size`).
        max_tiles: most tiles of an image (the job's, or the checkpoint's `max_dynamic_patch`), thumbnail not counted.
        max_tiles_per_frame: the same for a frame of a video.
        thumbnail: append the whole image when it was cut into several tiles.
        resize: "exact" (Pillow, bit for bit the published reference) or "fast".
    """

    tile_size: int
    max_tiles: int
    max_tiles_per_frame: int = 1
    thumbnail: bool = True
    resize: Literal["exact", "fast"] = "exact"


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one file may cost. Bytes, pixels (width × height of a frame), frames, seconds of wall time, threads.

    A thread more is some pictures more in memory, and processes scale better: more than one is for free cores.
    Where they would not fit into `memory_bytes`, fewer are used.
    """

    max_pixels: int = 100_000_000
    max_frames: int = 10_000_000
    timeout_s: float = 300.0
    memory_bytes: int = 4 * 2**30
    threads: int = 1


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """A file and what is wanted of it.

    Attributes:
        path: of a local file; not looked at when there are `ranges`.
        name: what errors call it (the URI).
        ranges: where the bytes of a file come from that is not here.
        done: ordinals of windows that are left out, because they are known already.
    """

    path: str
    name: str
    sampling: Sampling
    tiling: TilingSpec
    limits: DecodeLimits = DecodeLimits()
    video_library: VideoLibrary = "av"
    ranges: ByteRanges | None = None
    done: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What the probe saw. Sizes are upright (EXIF or video rotation applied). An animation is a video."""

    kind: Literal["image", "video"]
    format: str
    codec: str | None
    width: int
    height: int
    frame_count: int
    duration_s: float | None
    fps: float | None
    rotation_deg: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that was read: `index` in its stream, `timestamp_s` as the container says (None for images)."""

    index: int
    timestamp_s: float | None
    tile_count: int


@dataclass(frozen=True, slots=True)
class DecodedSegment:
    """A stretch of the media and its frames, in order. Times are None for images."""

    ordinal: int
    start_s: float | None
    end_s: float | None
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class DecodedMedia:
    """A decoded file: `tiles` holds every segment's frames' tiles, in order, back to back."""

    info: MediaInfo
    segments: tuple[DecodedSegment, ...]
    tiles: Tiles
    decode_errors: int = 0
