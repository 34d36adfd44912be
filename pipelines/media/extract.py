"""From a local file to tiles, in one process: probe, sample, decode, tile. Runs inside the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import numpy as np

from pipelines.errors import MediaTooLargeError, WholeFileNeededError
from pipelines.media.cuts import CutDetector, find_cuts
from pipelines.media.probe import open_reader
from pipelines.media.readers.base import FrameReader
from pipelines.media.sampling import (
    PlannedSegment,
    frames_looked_at,
    frames_of_shortest_scene,
    plan_scenes,
    plan_segments,
)
from pipelines.media.spare_threads import spare_threads
from pipelines.media.tile_cutter import TileCutter
from pipelines.media.tiling import TilePlan, plan_media
from pipelines.media.types import DecodedMedia, DecodedSegment, DecodeLimits, DecodeRequest, Frame, MediaInfo, Tiles

NewTiles = Callable[[int, int], Tiles]
"""(tiles, side in pixels) to a uint8 array [tiles, side, side, 3] to be filled."""


def extract(request: DecodeRequest, new_tiles: NewTiles | None = None) -> DecodedMedia:
    """Read the wanted frames of a file and cut them into tiles.

    Raises:
        MediaError: which one, and why; names the request's `name`.
        WholeFileNeededError: a file that is read by ranges should be fetched whole.
        ScenesUnavailableError: scenes are wanted, and what finds them is not installed.
    """
    if request.sampling.scenes and request.ranges:
        raise WholeFileNeededError("all of it is looked at for scenes", subject=request.name)
    with open_reader(request.path, request.name, request.limits, request.video_library, request.ranges) as reader:
        plan = plan_media(reader.info, request.tiling)
        segments = _plan_segments(reader, request, plan)
        frame_count = sum(len(segment.indices) for segment in segments)
        tiles = (new_tiles or _plain_tiles)(frame_count * plan.tile_count, plan.tile_size)
        with TileCutter(plan, tiles, _threads(reader.info, request.limits)) as cutter:
            frames = _read_frames(reader, segments, plan, cutter)
        return DecodedMedia(reader.info, _placed(segments, frames), tiles, reader.decode_errors)


def _threads(info: MediaInfo, limits: DecodeLimits) -> int:
    """An image is one picture: there is nothing to decode beside it."""
    return spare_threads(limits, info.width, info.height) if info.kind == "video" else 1


def _plain_tiles(tile_count: int, side: int) -> Tiles:
    return np.empty((tile_count, side, side, 3), np.uint8)


def _plan_segments(reader: FrameReader, request: DecodeRequest, plan: TilePlan) -> tuple[PlannedSegment, ...]:
    """Segments whose tiles fit into the memory limit."""
    fitting = request.limits.memory_bytes // plan.bytes_per_picture
    if fitting < 1:
        message = f"its tiles take {plan.bytes_per_picture} bytes, the limit is {request.limits.memory_bytes}"
        raise MediaTooLargeError(message, subject=request.name)
    most = min(request.limits.max_frames, fitting)
    if request.sampling.scenes and reader.info.kind == "video":
        planned = _scenes(reader, request, most)
    else:
        planned = plan_segments(reader.info, request.sampling, request.name, most)
    return tuple(segment for segment in planned if segment.ordinal not in request.done)


def _scenes(reader: FrameReader, request: DecodeRequest, max_frames: int) -> tuple[PlannedSegment, ...]:
    info, sampling, name = reader.info, request.sampling, request.name
    min_frames = frames_of_shortest_scene(info, sampling)
    most = max(1, max_frames // sampling.num_segments)
    frames = frames_looked_at(info, sampling, name)
    cuts = find_cuts(reader, frames, CutDetector(min_frames), min_frames, most, name)
    return plan_scenes(info, sampling, name, cuts)


def _read_frames(
    reader: FrameReader, segments: tuple[PlannedSegment, ...], plan: TilePlan, cutter: TileCutter
) -> list[Frame]:
    indices = tuple(chain.from_iterable(segment.indices for segment in segments))
    frames: list[Frame] = []
    for read in reader.read(indices, plan.sheet if plan.resize == "fast" else None):
        if frames and read.index == frames[-1].index:
            # The same frame again: short videos are sampled more often than they have frames.
            cutter.repeat()
        else:
            cutter.cut(read.picture)
        frames.append(Frame(read.index, read.timestamp_s, plan.tile_count))
    return frames


def _placed(segments: tuple[PlannedSegment, ...], frames: list[Frame]) -> tuple[DecodedSegment, ...]:
    left = iter(frames)
    return tuple(
        DecodedSegment(planned.ordinal, planned.start_s, planned.end_s, tuple(next(left) for _ in planned.indices))
        for planned in segments
    )
