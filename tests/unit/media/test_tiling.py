import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from pipelines.media.tiling import Grid, candidate_grids, choose_grid, tile_picture
from pipelines.media.types import TilingSpec


def test_the_grid_equals_the_published_choice_in_every_recorded_row(golden: Path) -> None:
    rows = json.loads((golden / "media" / "golden_tiling.json").read_text())["rows"]
    assert rows
    for row in rows:
        grid = choose_grid(row["width"], row["height"], row["image_size"], row["max_num"], row.get("min_num", 1))
        assert [grid.columns, grid.rows] == row["grid"], row
        assert grid.tile_count + (grid.tile_count > 1) == row["num_tiles_with_thumbnail"], row


def test_candidates_stand_in_the_published_order(golden: Path) -> None:
    orders = json.loads((golden / "media" / "golden_tiling.json").read_text())["target_ratios_order"]
    for bounds, order in orders.items():
        minimum, maximum = (int(bound) for bound in bounds.split(","))
        assert [[grid.columns, grid.rows] for grid in candidate_grids(minimum, maximum)] == order


@pytest.mark.parametrize("size", [56, 112])
def test_tiles_of_decoded_pixels_equal_the_published_pixel_values_exactly(golden: Path, size: int) -> None:
    decoded = load_file(golden / "inputs" / "decoded_rgb.safetensors")
    expected = load_file(golden / "inputs" / f"pixel_values_{size}_max6.safetensors")
    assert expected
    for name, values in expected.items():
        tiles = tile_picture(decoded[name], TilingSpec(size, 6), 6)
        np.testing.assert_array_equal(tiles, values, err_msg=name)


def test_tiles_run_row_by_row_and_the_thumbnail_is_last() -> None:
    corners = np.zeros((20, 40, 3), np.uint8)
    corners[:10, :20], corners[:10, 20:], corners[10:, :20], corners[10:, 20:] = 10, 20, 30, 40
    picture = Image.fromarray(corners).resize((400, 200), Image.Resampling.NEAREST)
    tiles = tile_picture(picture, TilingSpec(100, 8), 8)
    assert len(tiles) == 9
    assert [int(tile[50, 50, 0]) for tile in tiles[:8]] == [10, 10, 20, 20, 30, 30, 40, 40]
    assert [int(tiles[8][y, x, 0]) for y in (20, 80) for x in (20, 80)] == [10, 20, 30, 40]


def test_one_tile_needs_no_thumbnail_and_none_is_made_unless_asked() -> None:
    picture = Image.new("RGB", (200, 100))
    assert len(tile_picture(picture, TilingSpec(56, 1), 1)) == 1
    assert len(tile_picture(picture, TilingSpec(56, 2), 2)) == 3
    assert len(tile_picture(picture, TilingSpec(56, 2, thumbnail=False), 2)) == 2


def test_a_pillow_picture_and_its_pixels_give_the_same_tiles(golden: Path) -> None:
    with Image.open(golden / "inputs" / "img0_rgba.png") as image:
        picture = image.convert("RGB")
    for resize in ("exact", "fast"):
        spec = TilingSpec(56, 6, resize=resize)
        np.testing.assert_array_equal(tile_picture(picture, spec, 6), tile_picture(np.asarray(picture), spec, 6))


def test_fast_resize_stays_within_two_levels_of_the_exact_one() -> None:
    noise = Image.effect_noise((500, 300), 60).convert("RGB").resize((1920, 1080), Image.Resampling.BICUBIC)
    exact = tile_picture(noise, TilingSpec(448, 12), 12).astype(np.int16)
    fast = tile_picture(noise, TilingSpec(448, 12, resize="fast"), 12).astype(np.int16)
    difference = np.abs(exact - fast)
    assert exact.shape == fast.shape
    assert difference.max() <= 2
    assert (difference > 0).mean() < 0.005


def test_a_grid_knows_its_tiles() -> None:
    assert Grid(3, 2).tile_count == 6
