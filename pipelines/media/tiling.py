"""Dynamic tiling: a picture becomes a grid of square tiles plus a thumbnail.

Grid choice and tile order equal the published `dynamic_preprocess` of the InternVL model cards. The published path
resizes the picture, crops, and resizes each crop to the size that it already has; here each picture is resized once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipelines.grid import Grid
from pipelines.media.types import MediaInfo, Tiles, TilingSpec

if TYPE_CHECKING:
    import torch

Rgb = npt.NDArray[np.uint8]
"""uint8 [height, width, 3]."""
Picture = Image.Image | Rgb
"""An RGB picture in the form that its reader has at hand; converted only where the resize needs the other one."""
Resize = Literal["exact", "fast"]


@dataclass(frozen=True, slots=True)
class Size:
    """In pixels."""

    width: int
    height: int


@lru_cache(maxsize=64)
def candidate_grids(min_tiles: int, max_tiles: int) -> tuple[Grid, ...]:
    """Every grid of min_tiles to max_tiles tiles, smallest first, in the published order.

    Grids of equal size stand in the order in which CPython iterates over a set of (columns, rows) pairs that was
    filled in this very order: that decides ties, so the set is part of the definition.
    """
    sides = {
        (columns, rows)
        for bound in range(min_tiles, max_tiles + 1)
        for columns in range(1, bound + 1)
        for rows in range(1, bound + 1)
        if min_tiles <= columns * rows <= max_tiles
    }
    return tuple(Grid(*pair) for pair in sorted(sides, key=lambda pair: pair[0] * pair[1]))


def choose_grid(width: int, height: int, tile_size: int, max_tiles: int, min_tiles: int = 1) -> Grid:
    """The grid whose aspect ratio is nearest the picture's; of equal ones a larger, if the picture fills half of it."""
    aspect, area = width / height, width * height
    best, best_difference = Grid(1, 1), float("inf")
    for grid in candidate_grids(min_tiles, max_tiles):
        difference = abs(aspect - grid.columns / grid.rows)
        fills_half = area > 0.5 * tile_size * tile_size * grid.columns * grid.rows
        if difference < best_difference or (difference == best_difference and fills_half):
            best, best_difference = grid, difference
    return best


@dataclass(frozen=True, slots=True)
class TilePlan:
    """How a picture of a known size is cut. `tile_count` includes the thumbnail, which comes last."""

    grid: Grid
    tile_size: int
    thumbnail: bool
    resize: Resize

    @property
    def tile_count(self) -> int:
        return self.grid.tile_count + int(self.thumbnail)

    @property
    def sheet(self) -> Size:
        """All tiles but the thumbnail, side by side."""
        return Size(self.grid.columns * self.tile_size, self.grid.rows * self.tile_size)

    @property
    def bytes_per_picture(self) -> int:
        return self.tile_count * self.tile_size * self.tile_size * 3


def plan_tiles(width: int, height: int, spec: TilingSpec, max_tiles: int) -> TilePlan:
    """The plan for a picture of width × height pixels and at most `max_tiles` tiles, thumbnail not counted."""
    grid = choose_grid(width, height, spec.tile_size, max_tiles)
    return TilePlan(grid, spec.tile_size, spec.thumbnail and grid.tile_count > 1, spec.resize)


def plan_media(info: MediaInfo, spec: TilingSpec) -> TilePlan:
    """The plan for the pictures of a file: an image has the job's budget of tiles, a frame of a video its own."""
    max_tiles = spec.max_tiles if info.kind == "image" else spec.max_tiles_per_frame
    return plan_tiles(info.width, info.height, spec, max_tiles)


def cut_tiles(picture: Picture, plan: TilePlan, out: Tiles) -> None:
    """Write the picture's tiles, row by row and the thumbnail last, into uint8 `out` [tile_count, size, size, 3]."""
    size, grid = plan.tile_size, plan.grid
    resize = _resizer(picture, plan.resize)
    sheet = resize(plan.sheet).reshape(grid.rows, size, grid.columns, size, 3)
    out[: grid.tile_count].reshape(grid.rows, grid.columns, size, size, 3)[:] = sheet.transpose(0, 2, 1, 3, 4)
    if plan.thumbnail:
        out[-1] = resize(Size(size, size))


def tile_picture(picture: Picture, spec: TilingSpec, max_tiles: int) -> Tiles:
    """The tiles of one RGB picture, uint8 [tiles, size, size, 3]."""
    height, width = (picture.height, picture.width) if isinstance(picture, Image.Image) else picture.shape[:2]
    plan = plan_tiles(width, height, spec, max_tiles)
    tiles = np.empty((plan.tile_count, plan.tile_size, plan.tile_size, 3), np.uint8)
    cut_tiles(picture, plan, tiles)
    return tiles


class _PillowResizer:
    def __init__(self, picture: Picture) -> None:
        self._image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)

    def __call__(self, size: Size) -> Rgb:
        return np.asarray(self._image.resize((size.width, size.height), Image.Resampling.BICUBIC))


class _TorchResizer:
    def __init__(self, picture: Picture) -> None:
        # Exact mode must not pay for torch: a decoder process starts in a fraction of its import time.
        import torch

        # torch wants writable memory; Pillow's view is read-only.
        pixels = np.require(np.asarray(picture), requirements=("C", "W"))
        # [1, 3, height, width] over memory that is [height, width, 3], told by every stride ([None] would not tell):
        # torch then leaves the channels together, in half the time.
        self._pixels: torch.Tensor = torch.from_numpy(pixels).unsqueeze(0).permute(0, 3, 1, 2)

    def __call__(self, size: Size) -> Rgb:
        from torch.nn.functional import interpolate

        resized = interpolate(self._pixels, size=(size.height, size.width), mode="bicubic", antialias=True)
        return np.asarray(resized[0].permute(1, 2, 0).numpy())


def _resizer(picture: Picture, resize: Resize) -> _PillowResizer | _TorchResizer:
    return _TorchResizer(picture) if resize == "fast" else _PillowResizer(picture)
