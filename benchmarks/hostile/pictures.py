"""Pictures that tell whether they are right: plain ones of one colour, and frames that carry their number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Rgb = npt.NDArray[np.uint8]
COLOUR = (40, 200, 90)
SECRET_COLOUR = (255, 0, 255)
"""Of the file that playlists point at: seen in an answer, it was stolen."""
WIDTH, HEIGHT = 160, 96
BITS, BIT_SIDE, BIT_STEP = 6, 16, 24
TOLERANCE = 24
"""Of a colour's channels; lossy coding moves them."""


def plain(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A picture of COLOUR: half of it a shade lighter, so that it is no single flat block."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = COLOUR
    pixels[::2] += 4
    return Image.fromarray(pixels)


def numbered(number: int) -> Rgb:
    """[96, 160, 3]: white and black squares along the top for the bits of a number, COLOUR below."""
    frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    frame[:] = COLOUR
    frame[: BIT_SIDE + 8] = 0
    for bit in range(BITS):
        left = 8 + BIT_STEP * bit
        frame[4 : 4 + BIT_SIDE, left : left + BIT_SIDE] = 255 * (number >> bit & 1)
    frame[60:80, (number * 3) % 120 : (number * 3) % 120 + 30] = (230, 40, 30)
    return frame


def number_of(tile: Rgb) -> int:
    """The number that a tile of a whole frame carries, whatever its size."""
    height, width = tile.shape[:2]
    row = int((4 + BIT_SIDE / 2) * height / HEIGHT)
    columns = [int((8 + BIT_STEP * bit + BIT_SIDE / 2) * width / WIDTH) for bit in range(BITS)]
    return sum(1 << bit for bit, column in enumerate(columns) if tile[row, column].mean() > 127)


def has_colour(tile: Rgb) -> bool:
    """Whether all of a tile is COLOUR, and its lowest row too: that is what short data leave black."""
    parts = (tile, tile[-1:], tile[:1])
    return all(np.abs(part.reshape(-1, 3).mean(0) - COLOUR).max() <= TOLERANCE for part in parts) and bool(
        np.abs(tile.astype(np.int16) - COLOUR).max() <= 4 * TOLERANCE
    )


def shows_secret(tile: Rgb) -> bool:
    """Whether something of the file that nobody may read is in a tile."""
    far = np.abs(tile.astype(np.int16) - SECRET_COLOUR).max(-1)
    return bool((far < TOLERANCE).mean() > 0.02)
