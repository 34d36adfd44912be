"""Tiles put together are the picture they were cut from, and whoever cuts it again finds the same tiles."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import PromptError
from pipelines.grid import Grid
from pipelines.media.tiling import candidate_grids, choose_grid, plan_tiles, tile_picture
from pipelines.media.types import Tiles, TilingSpec
from pipelines.model.backends.picture_parts import png_data_url
from pipelines.model.backends.sheets import picture_sheet
from pipelines.model.types import VisualInput

SPEC = TilingSpec(tile_size=28, max_tiles=12)


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8))


def cut(image: Image.Image) -> tuple[Tiles, Grid]:
    return tile_picture(image, SPEC, SPEC.max_tiles), plan_tiles(image.width, image.height, SPEC, SPEC.max_tiles).grid


@pytest.mark.parametrize("server_max", range(1, 16))
def test_a_server_finds_the_same_grid_whatever_its_own_limit(server_max: int) -> None:
    for grid in candidate_grids(1, server_max):
        assert choose_grid(grid.columns * 448, grid.rows * 448, 448, server_max) == grid


def test_told_the_number_of_tiles_it_finds_the_same_grid_beyond_that_too() -> None:
    for grid in candidate_grids(1, 40):
        assert choose_grid(grid.columns * 448, grid.rows * 448, 448, grid.tile_count) == grid
    # Why it must be told: a square of nine tiles also fills half of sixteen.
    assert choose_grid(3 * 448, 3 * 448, 448, 16) != Grid(3, 3)


@pytest.mark.parametrize("size", [(28, 28), (200, 70), (50, 300), (160, 120), (640, 480)])
def test_a_sheet_sent_as_png_is_cut_into_the_same_tiles(size: tuple[int, int]) -> None:
    tiles, grid = cut(picture(*size))
    sheet = picture_sheet(VisualInput(tiles, (len(tiles),), ("a",), (grid,)), 0)
    url = png_data_url(sheet)
    arrived = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
    again, found = cut(arrived)
    assert found == grid
    np.testing.assert_array_equal(again[: grid.tile_count], tiles[: grid.tile_count])


def test_each_picture_of_several_has_its_own_sheet() -> None:
    parts = [cut(picture(200, 70)), cut(picture(28, 28)), cut(picture(50, 300))]
    counts = tuple(len(tiles) for tiles, _ in parts)
    visual = VisualInput(np.concatenate([t for t, _ in parts]), counts, ("a", "b", "c"), tuple(g for _, g in parts))
    for index, (tiles, grid) in enumerate(parts):
        alone = VisualInput(tiles, (len(tiles),), ("x",), (grid,))
        np.testing.assert_array_equal(picture_sheet(visual, index), picture_sheet(alone, 0))


def test_tiles_that_do_not_fill_their_grid_are_refused() -> None:
    tiles, _ = cut(picture(200, 70))
    with pytest.raises(PromptError, match=r"picture 1: \d+ tiles do not fill a grid of 1 × 1"):
        picture_sheet(VisualInput(tiles, (len(tiles),), ("a",)), 0)
