"""The quick-start loaders of the InternVL model cards, step by step, with torchvision's transforms written out.

`ToTensor` is uint8 [h, w, 3] to float32 [3, h, w] / 255, `Normalize` is (x - mean) / std, `Resize` returns a picture
that already has the size; all three as torchvision does them, copies included.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_image(file: Path, input_size: int = 448, max_num: int = 12) -> torch.Tensor:
    """Pixel values [tiles, 3, size, size]."""
    image = Image.open(file).convert("RGB")
    return pixel_values(dynamic_preprocess(image, input_size, max_num), input_size)


def load_video(file: Path, num_segments: int, input_size: int = 448, max_num: int = 1) -> torch.Tensor:
    """Pixel values [frames, 3, size, size] of the whole video, through decord with one thread."""
    from decord import VideoReader, cpu

    from pipelines.media.sampling import get_index

    reader = VideoReader(str(file), ctx=cpu(0), num_threads=1)
    indices = get_index(None, float(reader.get_avg_fps()), len(reader) - 1, 0, num_segments)
    values = []
    for index in indices:
        image = Image.fromarray(reader[index].asnumpy()).convert("RGB")
        values.append(pixel_values(dynamic_preprocess(image, input_size, max_num), input_size))
    return torch.cat(values)


def pixel_values(tiles: list[Image.Image], input_size: int) -> torch.Tensor:
    """The transform of every tile, stacked."""
    return torch.stack([_transform(tile, input_size) for tile in tiles])


def dynamic_preprocess(image: Image.Image, image_size: int, max_num: int) -> list[Image.Image]:
    """Tiles, row by row, and a thumbnail when there are several."""
    columns, rows = _closest_ratio(image, image_size, max_num)
    resized = image.resize((image_size * columns, image_size * rows), Image.Resampling.BICUBIC)
    tiles = []
    for number in range(columns * rows):
        left, top = number % columns * image_size, number // columns * image_size
        tiles.append(resized.crop((left, top, left + image_size, top + image_size)))
    if len(tiles) > 1:
        tiles.append(image.resize((image_size, image_size), Image.Resampling.BICUBIC))
    return tiles


def _closest_ratio(image: Image.Image, image_size: int, max_num: int) -> tuple[int, int]:
    sides = range(1, max_num + 1)
    ratios = {(i, j) for n in sides for i in range(1, n + 1) for j in range(1, n + 1) if 1 <= i * j <= max_num}
    best, best_difference = (1, 1), float("inf")
    width, height = image.size
    for ratio in sorted(ratios, key=lambda pair: pair[0] * pair[1]):
        difference = abs(width / height - ratio[0] / ratio[1])
        if difference < best_difference:
            best, best_difference = ratio, difference
        elif difference == best_difference and width * height > 0.5 * image_size * image_size * ratio[0] * ratio[1]:
            best = ratio
    return best


def _transform(tile: Image.Image, input_size: int) -> torch.Tensor:
    tile = tile if tile.mode == "RGB" else tile.convert("RGB")
    if tile.size != (input_size, input_size):
        tile = tile.resize((input_size, input_size), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(tile, np.uint8, copy=True)).permute(2, 0, 1).contiguous()
    values = pixels.to(torch.float32).div(255).clone()
    return values.sub_(torch.tensor(MEAN).view(-1, 1, 1)).div_(torch.tensor(STD).view(-1, 1, 1))
