"""Dynamic tiling as published with InternVL, for training: exact Pillow resize, row-major tiles, thumbnail last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def grid_for(size: tuple[int, int], max_num: int, tile: int) -> tuple[int, int]:
    """Columns and rows whose ratio comes closest; on a tie the larger grid if the image has half its pixels."""
    width, height = size
    ratios = {(i, j) for i in range(1, max_num + 1) for j in range(1, max_num + 1) if i * j <= max_num}
    best, best_diff = (1, 1), float("inf")
    for i, j in sorted(ratios, key=lambda ratio: ratio[0] * ratio[1]):
        diff = abs(width / height - i / j)
        if diff < best_diff:
            best, best_diff = (i, j), diff
        elif diff == best_diff and width * height > 0.5 * tile * tile * i * j:
            best = (i, j)
    return best


def tile_image(image: Image.Image, max_num: int, tile: int) -> NDArray[np.uint8]:
    """uint8 [tiles, tile, tile, 3] of an RGB image."""
    columns, rows = grid_for(image.size, max_num, tile)
    resized = np.asarray(image.resize((tile * columns, tile * rows), Image.Resampling.BICUBIC))
    tiles = resized.reshape(rows, tile, columns, tile, 3).swapaxes(1, 2).reshape(-1, tile, tile, 3)
    if columns * rows == 1:
        return tiles
    thumbnail = np.asarray(image.resize((tile, tile), Image.Resampling.BICUBIC))
    return np.concatenate([tiles, thumbnail[None]])
