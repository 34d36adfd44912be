"""Tiles put together again: the picture that they were cut from, for those who cut it themselves.

A sheet is the picture at the size to which it was resized for cutting. An InternVL server finds the same grid in it
and cuts the same tiles, as long as its own limit is below 16 (a square of nine would become one of sixteen) or is told
the number; its thumbnail it makes from the sheet, where ours was made from the source.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.errors import PromptError
from pipelines.grid import Grid
from pipelines.model.types import VisualInput

Sheet = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], RGB."""


def picture_sheet(visual: VisualInput, index: int) -> Sheet:
    """The sheet of one of the pictures; its thumbnail is left out.

    Raises:
        PromptError: its tiles do not fill a grid.
    """
    first, count = sum(visual.tiles_per_image[:index]), visual.tiles_per_image[index]
    grid = picture_grid(visual, index)
    if len(visual.tiles) < first + count or count not in (grid.tile_count, grid.tile_count + 1):
        raise PromptError(f"picture {index + 1}: {count} tiles do not fill a grid of {grid.columns} × {grid.rows}")
    return _stitched(visual.tiles[first : first + grid.tile_count], grid)


def picture_grid(visual: VisualInput, index: int) -> Grid:
    """How the tiles of one of the pictures lie."""
    return visual.grids[index] if visual.grids else Grid(1, 1)


def _stitched(tiles: npt.NDArray[np.uint8], grid: Grid) -> Sheet:
    size = tiles.shape[1]
    rows = tiles.reshape(grid.rows, grid.columns, size, size, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(rows.reshape(grid.rows * size, grid.columns * size, 3))
