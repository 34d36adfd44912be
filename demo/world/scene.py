"""Scenes: which shapes there are, where they start and where they end."""

from __future__ import annotations

import random
from dataclasses import dataclass

Point = tuple[float, float]
Rgb = tuple[int, int, int]
Box = tuple[float, float, float, float]

COLOURS: dict[str, Rgb] = {
    "red": (214, 40, 40),
    "green": (40, 160, 70),
    "blue": (40, 80, 210),
    "yellow": (245, 205, 30),
    "purple": (140, 50, 170),
    "orange": (245, 130, 30),
}
FORMS: tuple[str, ...] = ("circle", "square", "triangle", "star")
BACKGROUNDS: tuple[Rgb, ...] = (
    (255, 255, 255), (235, 235, 230), (215, 225, 240), (240, 225, 215), (60, 62, 70), (25, 28, 30),
)  # fmt: skip

MIN_RADIUS, MAX_RADIUS = 0.11, 0.21
MIN_GAP_X = 0.09
"""Least distance of centres in x, as a share of the width: "left to right" is then never a close call."""
MIN_GAP_PX = 0.02
"""Least free space between two boxes, as a share of the short side."""
DIRECTIONS: dict[str, Point] = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}


@dataclass(frozen=True)
class Shape:
    """One shape. Centres are shares of width and height, the radius is a share of the short side.

    Every form fills its square box of side 2 x radius exactly.
    """

    colour: str
    form: str
    rgb: Rgb
    radius: float
    start: Point
    end: Point
    direction: str | None = None
    present: tuple[float, float] = (0.0, 1.0)
    """Time shares between which it can be seen; it appears after 0, or disappears before 1."""

    @property
    def name(self) -> str:
        return f"{self.colour} {self.form}"

    def centre(self, t: float) -> Point:
        """Centre at time share t in [0, 1]: motion is linear."""
        return (
            self.start[0] + (self.end[0] - self.start[0]) * t,
            self.start[1] + (self.end[1] - self.start[1]) * t,
        )

    def is_there(self, t: float) -> bool:
        """Whether it can be seen at time share t."""
        return self.present[0] <= t <= self.present[1]

    def box(self, size: tuple[int, int], t: float = 0.0) -> Box:
        """x1, y1, x2, y2 in pixels of an image of `size` (width, height); right and bottom edges are exclusive."""
        width, height = size
        half = self.radius * min(width, height)
        x, y = self.centre(t)
        return (x * width - half, y * height - half, x * width + half, y * height + half)


@dataclass(frozen=True)
class Sign:
    """A plate with a word on it. Its centre in shares of width and height, its sides in shares of the short side."""

    word: str
    centre: Point
    width: float
    height: float

    def box(self, size: tuple[int, int]) -> Box:
        """x1, y1, x2, y2 in pixels of an image of `size` (width, height)."""
        short = min(size)
        x, y = self.centre[0] * size[0], self.centre[1] * size[1]
        half_x, half_y = self.width * short / 2, self.height * short / 2
        return (x - half_x, y - half_y, x + half_x, y + half_y)


@dataclass(frozen=True)
class Scene:
    """Shapes in the order of their start, left to right, on a flat background; aspect is width / height."""

    aspect: float
    background: Rgb
    shapes: tuple[Shape, ...]
    sign: Sign | None = None


def make_scene(rng: random.Random, aspect: float = 1.0, moving: bool = False, count: int | None = None) -> Scene:
    """Draw a scene by chance: 1-4 shapes (1-3 when moving), no box touches another at any time."""
    background = rng.choice(BACKGROUNDS)
    if count is None:
        count = rng.choice((1, 2, 2, 3)) if moving else rng.choice((1, 2, 2, 3, 3, 4, 4))
    while True:
        scene = _try_scene(rng, aspect, moving, count, background)
        if scene is not None:
            return scene


def _try_scene(rng: random.Random, aspect: float, moving: bool, count: int, background: Rgb) -> Scene | None:
    shapes: list[Shape] = []
    movers = _movers(rng, count) if moving else set()
    for index in range(count):
        looks = _looks(rng, shapes, distinct=moving)
        for _ in range(30):
            shape = _place(rng, looks, aspect, index in movers, count)
            if shape is not None and all(apart(shape, other, aspect) for other in shapes):
                shapes.append(shape)
                break
        else:
            return None
    return Scene(aspect, background, tuple(sorted(shapes, key=lambda shape: shape.start[0])))


def _movers(rng: random.Random, count: int) -> set[int]:
    """At least one shape moves."""
    chosen = {index for index in range(count) if rng.random() < 0.5}
    return chosen or {rng.randrange(count)}


def _looks(rng: random.Random, others: list[Shape], distinct: bool) -> tuple[str, str]:
    """Colour and form. Still scenes repeat some on purpose (counts), moving ones never (each has one name)."""
    while True:
        colour, form = rng.choice(list(COLOURS)), rng.choice(FORMS)
        if others and not distinct:
            model = rng.choice(others)
            colour = model.colour if rng.random() < 0.3 else colour
            form = model.form if rng.random() < 0.3 else form
        if not distinct or all((colour, form) != (other.colour, other.form) for other in others):
            return colour, form


def _place(rng: random.Random, looks: tuple[str, str], aspect: float, moves: bool, count: int) -> Shape | None:
    colour, form = looks
    radius = rng.uniform(MIN_RADIUS, MAX_RADIUS - 0.015 * count)
    start = centre_of(rng, radius, aspect)
    end, direction = start, None
    if moves:
        direction = rng.choice(list(DIRECTIONS))
        step, (dx, dy) = rng.uniform(0.28, 0.6), DIRECTIONS[direction]
        end = (start[0] + dx * step, start[1] + dy * step)
        if not _inside(end, radius, aspect):
            return None
    return Shape(colour, form, shade(rng, colour), radius, start, end, direction)


def shade(rng: random.Random, colour: str) -> Rgb:
    """About that colour."""
    red, green, blue = (max(0, min(255, value + rng.randint(-10, 10))) for value in COLOURS[colour])
    return red, green, blue


def _margins(radius: float, aspect: float) -> Point:
    """Least distance of a centre from the sides, as shares of width and height."""
    return (radius + 0.01) * min(1.0, 1.0 / aspect), (radius + 0.01) * min(1.0, aspect)


def centre_of(rng: random.Random, radius: float, aspect: float) -> Point:
    """A place for a shape, drawn by chance."""
    mx, my = _margins(radius, aspect)
    return rng.uniform(mx, 1.0 - mx), rng.uniform(my, 1.0 - my)


def _inside(centre: Point, radius: float, aspect: float) -> bool:
    mx, my = _margins(radius, aspect)
    return mx <= centre[0] <= 1.0 - mx and my <= centre[1] <= 1.0 - my


def apart(one: Shape, two: Shape, aspect: float) -> bool:
    """Whether they never touch, and their centres differ clearly in x at the start."""
    if abs(one.start[0] - two.start[0]) < MIN_GAP_X:
        return False
    still = one.direction is None and two.direction is None
    return all(_apart_at(one, two, aspect, t) for t in ((0.0,) if still else tuple(i / 8 for i in range(9))))


def _apart_at(one: Shape, two: Shape, aspect: float, t: float) -> bool:
    """Boxes keep their distance in x or in y, measured in short sides."""
    (x1, y1), (x2, y2) = one.centre(t), two.centre(t)
    need = one.radius + two.radius + MIN_GAP_PX
    return abs(x1 - x2) * max(1.0, aspect) >= need or abs(y1 - y2) * max(1.0, 1.0 / aspect) >= need
