"""Which frames of a video are read: the published `get_index`, and the segments of a job."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipelines.errors import BoundOutsideMediaError, MediaTooLargeError
from pipelines.media.cuts import Cut
from pipelines.media.types import MediaInfo
from reelmill.schema.tasks import Sampling

WHOLE_VIDEO_S = (-100_000.0, 100_000.0)
"""The published function's stand-in for "no bound"."""


@dataclass(frozen=True, slots=True)
class PlannedSegment:
    """A stretch of the media and the frames wanted of it, ascending. Times in seconds, None for images."""

    ordinal: int
    start_s: float | None
    end_s: float | None
    indices: tuple[int, ...]


def get_index(
    bound: tuple[float, float] | None, fps: float, max_frame: int, first_idx: int = 0, num_segments: int = 32
) -> npt.NDArray[np.int64]:
    """Frame indices, one from the middle of each of `num_segments` equal stretches.

    Equals `get_index` of the InternVL model cards bit for bit, half-to-even rounding included.

    Args:
        bound: (start, end) in seconds; None or empty for the whole video.
        max_frame: index of the last frame.

    Returns:
        int64 [num_segments].
    """
    start_s, end_s = bound or WHOLE_VIDEO_S
    start = max(first_idx, round(start_s * fps))
    end = min(round(end_s * fps), max_frame)
    step = float(end - start) / num_segments
    return (start + step / 2 + np.round(step * np.arange(num_segments))).astype(np.int64)


def plan_segments(info: MediaInfo, sampling: Sampling, name: str, max_frames: int) -> tuple[PlannedSegment, ...]:
    """The segments of a media and the frames to read for each; indices never descend from one to the next.

    Raises:
        BoundOutsideMediaError: the bound starts after the video's end.
        MediaTooLargeError: more than `max_frames` frames to read.
    """
    if info.kind == "image":
        return (PlannedSegment(0, None, None, (0,)),)
    start_s, end_s = _looked_at(info, sampling, name)
    windows = 1 if sampling.window_s is None else _window_count(start_s, end_s, sampling.window_s, _fps(info))
    if windows * sampling.num_segments > max_frames:
        raise MediaTooLargeError(
            f"{windows} x {sampling.num_segments} frames would be read, the limits allow {max_frames}",
            subject=name,
            next_step="Ask for longer windows, fewer segments or a bound",
        )
    if sampling.window_s is None:
        return (_planned(0, start_s, end_s, sampling.bound, info, sampling),)
    edges = [start_s + sampling.window_s * k for k in range(windows)] + [end_s]
    stretches = enumerate(pairwise(edges))
    return tuple(_planned(ordinal, start, end, (start, end), info, sampling) for ordinal, (start, end) in stretches)


def frames_looked_at(info: MediaInfo, sampling: Sampling, name: str) -> range:
    """The frames of the video, or of its bound. Raises BoundOutsideMediaError."""
    start_s, end_s = _looked_at(info, sampling, name)
    first, last = round(start_s * _fps(info)), info.frame_count - 1
    return range(first, max(first, min(round(end_s * _fps(info)), last)) + 1)


def frames_of_shortest_scene(info: MediaInfo, sampling: Sampling) -> int:
    """`min_scene_s` in frames."""
    return max(1, min(round(sampling.min_scene_s * _fps(info)), info.frame_count))


def plan_scenes(info: MediaInfo, sampling: Sampling, name: str, cuts: Sequence[Cut]) -> tuple[PlannedSegment, ...]:
    """The stretches between cuts, and the frames to read for each: none of them is a neighbour's."""
    start_s, end_s = _looked_at(info, sampling, name)
    frames = frames_looked_at(info, sampling, name)
    edges = [Cut(frames.start, start_s), *cuts, Cut(frames.stop, end_s)]
    return tuple(_scene(ordinal, *edge, info, sampling) for ordinal, edge in enumerate(pairwise(edges)))


def _scene(ordinal: int, start: Cut, end: Cut, info: MediaInfo, sampling: Sampling) -> PlannedSegment:
    fps, last = _fps(info), end.index - 1
    indices = get_index((start.index / fps, end.index / fps), fps, info.frame_count - 1, 0, sampling.num_segments)
    # Stretches shorter than a frame can round past the scene's last one.
    within = tuple(min(max(int(index), start.index), last) for index in indices)
    return PlannedSegment(ordinal, start.time_s, end.time_s, within)


def _looked_at(info: MediaInfo, sampling: Sampling, name: str) -> tuple[float, float]:
    """Start and end in seconds of what is looked at; an end past the video's is cut, as in the published loader."""
    duration_s = _duration_s(info)
    start_s, end_s = sampling.bound or (0.0, duration_s)
    if round(start_s * _fps(info)) > info.frame_count - 1:
        message = f"the bound starts at {start_s:g} s, the video ends at {duration_s:.3f} s"
        raise BoundOutsideMediaError(message, subject=name)
    return start_s, max(min(end_s, duration_s), start_s)


def _window_count(start_s: float, end_s: float, window_s: float, fps: float) -> int:
    """What is left at the end joins the last window when it is not longer than a frame."""
    return max(1, math.ceil((end_s - start_s - 1.0 / fps) / window_s))


def _planned(
    ordinal: int, start_s: float, end_s: float, bound: tuple[float, float] | None, info: MediaInfo, sampling: Sampling
) -> PlannedSegment:
    last = info.frame_count - 1
    indices = get_index(bound, _fps(info), last, 0, sampling.num_segments)
    # A stretch shorter than a frame at the very end can round past it.
    return PlannedSegment(ordinal, start_s, end_s, tuple(min(max(int(i), 0), last) for i in indices))


def _fps(info: MediaInfo) -> float:
    return info.fps or 1.0


def _duration_s(info: MediaInfo) -> float:
    return info.duration_s or info.frame_count / _fps(info)
