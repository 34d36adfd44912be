"""From decoded media to scenes: the pictures that one conversation is about, and where each came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipelines.errors import MediaError
from pipelines.media.tiling import plan_media
from pipelines.media.types import DecodedMedia, DecodedSegment, TilingSpec
from pipelines.model.types import ModelInfo, VisualInput
from reelmill.schema import FrameRef, Sampling, SegmentResult

SceneKind = Literal["image", "images", "video"]
SHARED_TILE_BUDGET = 24
"""Tiles that the images of one job share when the job names no budget (the cards' n_max for several images)."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceMedia:
    """A decoded media object and its place in the job. `content_key` is equal only for equal bytes."""

    ordinal: int
    uri: str
    content_key: str
    decoded: DecodedMedia


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a scene: its frame, and the upright source's size in pixels."""

    frame: FrameRef
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What one segment shows. `pictures` are parallel to `visual.tiles_per_image`."""

    segment: SegmentResult
    kind: SceneKind
    pictures: tuple[Picture, ...]
    visual: VisualInput

    def picture_alone(self, index: int) -> VisualInput:
        """One picture of the scene as an input of its own; same content key, so no second encoding."""
        counts = self.visual.tiles_per_image
        first = sum(counts[:index])
        return VisualInput(
            tiles=self.visual.tiles[first : first + counts[index]],
            tiles_per_image=(counts[index],),
            content_keys=(self.visual.content_keys[index],),
            grids=(self.visual.grids[index],),
        )


def tiling_for(sampling: Sampling, model: ModelInfo, media_count: int) -> TilingSpec:
    """How this job's pictures are cut for this model. Several images share one budget of tiles."""
    if media_count == 1:
        max_tiles = sampling.max_tiles or model.max_tiles
    else:
        budget = sampling.max_tiles or SHARED_TILE_BUDGET
        max_tiles = max(1, min(model.max_tiles, budget // media_count))
    return TilingSpec(
        tile_size=model.tile_size,
        max_tiles=max_tiles,
        max_tiles_per_frame=sampling.max_tiles_per_frame,
        thumbnail=sampling.thumbnail and model.use_thumbnail,
        resize=sampling.resize,
    )


def build_scenes(sources: Sequence[SourceMedia], tiling: TilingSpec) -> tuple[Scene, ...]:
    """One scene per segment of a single media, or one scene of all images of a multi-image job.

    Raises:
        MediaError: a job of several media holds a video or an animation.
    """
    if len(sources) > 1:
        return (_scene_of_images(sources, tiling),)
    source = sources[0]
    scenes, first = [], 0
    for segment in source.decoded.segments:
        count = sum(frame.tile_count for frame in segment.frames)
        scenes.append(_scene_of_segment(source, segment, source.decoded.tiles[first : first + count], tiling))
        first += count
    return tuple(scenes)


def _scene_of_segment(source: SourceMedia, segment: DecodedSegment, tiles: np.ndarray, tiling: TilingSpec) -> Scene:
    info = source.decoded.info
    frames = tuple(FrameRef(source.ordinal, f.index, f.timestamp_s, f.tile_count) for f in segment.frames)
    return Scene(
        segment=SegmentResult(segment.ordinal, segment.start_s, segment.end_s, frames),
        kind=info.kind,
        pictures=tuple(Picture(frame, info.width, info.height) for frame in frames),
        visual=VisualInput(
            tiles=tiles,
            tiles_per_image=tuple(frame.tile_count for frame in frames),
            content_keys=tuple(_content_key(source, frame, tiling) for frame in frames),
            grids=(plan_media(info, tiling).grid,) * len(frames),
        ),
    )


def _scene_of_images(sources: Sequence[SourceMedia], tiling: TilingSpec) -> Scene:
    for source in sources:
        if source.decoded.info.kind != "image":
            raise MediaError(
                "a job of several media takes images only, and this is a video or an animation",
                subject=source.uri,
                next_step="Submit it as a job of its own",
            )
    alone = [_scene_of_segment(s, s.decoded.segments[0], s.decoded.tiles, tiling) for s in sources]
    return Scene(
        segment=SegmentResult(0, None, None, tuple(p.frame for scene in alone for p in scene.pictures)),
        kind="images",
        pictures=tuple(p for scene in alone for p in scene.pictures),
        visual=VisualInput(
            tiles=np.concatenate([scene.visual.tiles for scene in alone]),
            tiles_per_image=tuple(n for scene in alone for n in scene.visual.tiles_per_image),
            content_keys=tuple(k for scene in alone for k in scene.visual.content_keys),
            grids=tuple(g for scene in alone for g in scene.visual.grids),
        ),
    )


def _content_key(source: SourceMedia, frame: FrameRef, tiling: TilingSpec) -> str:
    cut = f"{tiling.tile_size}/{frame.tile_count}/{tiling.thumbnail:d}/{tiling.resize}"
    return f"{source.content_key}/{frame.frame_index}/{cut}"
