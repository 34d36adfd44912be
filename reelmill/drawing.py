"""Boxes and labels on a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from reelmill.errors import PictureError
from reelmill.extras import extra
from reelmill.schema import Box

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from reelmill.frame import Frame

FULL_SCALE = 1000.0
COLOURS = ("#e02041", "#178a3c", "#2f6bff", "#a24bd8", "#d95f00", "#0d8a94", "#d81b8c", "#8a7500")
"""Seen on dark and light pictures, under white text; a label has the same one on every frame."""
LINES_PER_SIDE = 250
LETTERS_PER_SIDE = 40
SMALLEST_LETTERS_PX = 10
LONGEST_LABEL = 60
SHAPE_TOLERANCE = 0.02
"""Thumbnails are rounded to whole pixels."""


def draw_boxes(image: Image.Image, frame: Frame) -> Image.Image:
    """A new picture, RGB and upright, with the frame's boxes; `image` stays as it is and may have any size.

    Labels are written in Pillow's own font, which has Latin letters only.

    Raises:
        PictureError: it does not have the frame's shape.
        MissingExtraError: Pillow is not installed.
    """
    with extra("export", purpose="drawing boxes"):
        from PIL import ImageDraw, ImageOps
    upright = ImageOps.exif_transpose(image)
    _check_shape(upright.size, frame)
    picture = upright.convert("RGB")
    pen = ImageDraw.Draw(picture)
    for box in frame.boxes:
        _draw(pen, box, picture.size)
    return picture


def corners_px(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a box in the pixels of a picture of this size, inside it."""
    x1, x2 = sorted(_pixel(x, size[0]) for x in (box.x1, box.x2))
    y1, y2 = sorted(_pixel(y, size[1]) for y in (box.y1, box.y2))
    return x1, y1, x2, y2


def _pixel(corner: float, side: int) -> float:
    return min(max(corner, 0.0) * side / FULL_SCALE, side - 1.0)


def _draw(pen: ImageDraw.ImageDraw, box: Box, size: tuple[int, int]) -> None:
    from PIL import ImageFont

    side, label = max(size), " ".join(box.label.split())[:LONGEST_LABEL]
    colour = COLOURS[crc32(box.label.encode(errors="replace")) % len(COLOURS)]
    corners = corners_px(box, size)
    pen.rectangle(corners, outline=colour, width=max(side // LINES_PER_SIDE, 2))
    if label:
        font = ImageFont.load_default(size=max(side // LETTERS_PER_SIDE, SMALLEST_LETTERS_PX))
        height = pen.textbbox((0, 0), label, font=font)[3]
        # Above the box where there is room, else inside: the box itself is what must be seen.
        at = (corners[0], corners[1] - height if corners[1] >= height else corners[1])
        pen.rectangle(pen.textbbox(at, label, font=font), fill=colour)
        pen.text(at, label, fill="white", font=font)


def _check_shape(size: tuple[int, int], frame: Frame) -> None:
    facts = frame.media.facts
    wanted_height = size[0] * facts.height / max(facts.width, 1)
    if abs(size[1] - wanted_height) > max(1.0, SHAPE_TOLERANCE * size[1]):
        raise PictureError(
            f"the picture is {size[0]} × {size[1]}, the frame {facts.width} × {facts.height}",
            subject=frame.uri,
            next_step="Give this very frame, upright, at any size",
        )
