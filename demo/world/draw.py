"""Painting a scene, antialiased at sub-pixel positions."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw, ImageFont

from demo.world.scene import Point, Rgb, Scene, Shape, Sign

LIGHT: Rgb = (250, 250, 250)
DARK: Rgb = (22, 22, 22)
LETTERS = 0.9
"""Size of the font as a share of the plate's height."""


def _star() -> tuple[Point, ...]:
    points = []
    for index in range(10):
        radius, angle = (1.0 if index % 2 == 0 else 0.45), math.pi * index / 5
        points.append((radius * math.sin(angle), -radius * math.cos(angle)))
    return _fill_box(points)


def _fill_box(points: list[Point]) -> tuple[Point, ...]:
    """Stretch a polygon to touch all four sides of the box [-1, 1] x [-1, 1]."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return tuple(
        (2 * (x - min(xs)) / (max(xs) - min(xs)) - 1, 2 * (y - min(ys)) / (max(ys) - min(ys)) - 1) for x, y in points
    )


POLYGONS: dict[str, tuple[Point, ...]] = {
    "square": ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)),
    "triangle": ((0.0, -1.0), (1.0, 1.0), (-1.0, 1.0)),
    "star": _star(),
}


def render(scene: Scene, size: tuple[int, int], t: float = 0.0, onto: Image.Image | None = None) -> Image.Image:
    """RGB image of `size` (width, height) pixels at time share t in [0, 1]; `onto` is a painted background."""
    image = Image.new("RGB", size, scene.background) if onto is None else onto.copy()
    if scene.sign is not None:
        paint_sign(image, scene.sign, scene.background)
    for shape in scene.shapes:
        if shape.is_there(t):
            paint(image, shape, t)
    return image


def paint_sign(image: Image.Image, sign: Sign, background: Rgb) -> None:
    """Paint a plate that stands out against the background, with its word in the font that comes with Pillow."""
    plate, ink = (LIGHT, DARK) if sum(background) < 3 * 128 else (DARK, LIGHT)
    x1, y1, x2, y2 = (round(value) for value in sign.box(image.size))
    draw = ImageDraw.Draw(image)
    draw.rectangle((x1, y1, x2 - 1, y2 - 1), fill=plate)
    font = ImageFont.load_default((y2 - y1) * LETTERS)
    draw.text(((x1 + x2) / 2, (y1 + y2) / 2), sign.word, fill=ink, font=font, anchor="mm")


def paint(image: Image.Image, shape: Shape, t: float) -> None:
    """Paint one shape on the image in place."""
    x1, y1, x2, y2 = shape.box(image.size, t)
    left, top = math.floor(x1), math.floor(y1)
    extent = (math.ceil(x2) - left, math.ceil(y2) - top)
    # Large masks need less oversampling for the same look, and a minute of 1080p has thousands of them.
    scale = 4 if max(extent) < 160 else 2
    mask = Image.new("L", (extent[0] * scale, extent[1] * scale), 0)
    _outline(mask, shape.form, tuple(scale * v for v in (x1 - left, y1 - top, x2 - left, y2 - top)))
    image.paste(shape.rgb, (left, top), mask.reduce(scale))


def _outline(mask: Image.Image, form: str, box: tuple[float, ...]) -> None:
    x1, y1, x2, y2 = box
    draw = ImageDraw.Draw(mask)
    # Pillow counts the last pixel in, a box does not.
    if form == "circle":
        draw.ellipse((x1, y1, x2 - 1, y2 - 1), fill=255)
        return
    cx, cy, rx, ry = (x1 + x2 - 1) / 2, (y1 + y2 - 1) / 2, (x2 - x1 - 1) / 2, (y2 - y1 - 1) / 2
    draw.polygon([(cx + rx * x, cy + ry * y) for x, y in POLYGONS[form]], fill=255)
