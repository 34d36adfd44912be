"""Scenes with what the plain ones do not have: overlaps, signs to read, shapes that come and go, pairs to compare."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

from demo.world.scene import (
    BACKGROUNDS,
    COLOURS,
    FORMS,
    MIN_GAP_X,
    Box,
    Scene,
    Shape,
    Sign,
    apart,
    centre_of,
    make_scene,
    shade,
)

WORDS: tuple[str, ...] = (
    "BUS", "CAR", "CAT", "COW", "DOG", "EXIT", "FISH", "GATE", "HOT", "ICE", "JAM", "KEY", "LAMP", "MAP", "MILK",
    "NEW", "OAK", "OPEN", "PARK", "PEN", "RICE", "SALT", "SHOP", "STOP", "SUN", "TAXI", "TEA", "TREE", "WAY", "ZOO",
)  # fmt: skip
NUMBER_SHARE = 0.25
"""How many signs have a number of two digits instead of a word."""
SIGN_HEIGHT, LETTER_WIDTH, SIGN_MARGIN = 0.24, 0.155, 0.1
MIN_OVERLAP, MAX_OVERLAP = 0.04, 0.22
"""Least that some two boxes share and most that any do, of the smaller one: of every shape, most can be seen."""
_CANVAS = 1000


def crowded_scene(rng: random.Random, aspect: float = 1.0) -> Scene:
    """Two to four still shapes of different colours, small and large; some lie over each other."""
    count, background = rng.choice((2, 3, 3, 4)), rng.choice(BACKGROUNDS)
    while True:
        colours = rng.sample(list(COLOURS), count)
        shapes: list[Shape] = []
        for colour in colours:
            radius = rng.uniform(0.1, 0.25 - 0.015 * count)
            centre = centre_of(rng, radius, aspect)
            shape = Shape(colour, rng.choice(FORMS), shade(rng, colour), radius, centre, centre)
            if all(_seen_beside(shape, other, aspect) for other in shapes):
                shapes.append(shape)
        if len(shapes) == count and any(_share(*two, aspect) > MIN_OVERLAP for two in combinations(shapes, 2)):
            return Scene(aspect, background, tuple(sorted(shapes, key=lambda shape: shape.start[0])))


def sign_scene(rng: random.Random, aspect: float = 1.0) -> Scene:
    """One or two shapes and a sign that they do not touch."""
    while True:
        scene = make_scene(rng, aspect, count=rng.choice((1, 1, 2)))
        sign = _sign(rng, aspect)
        if not any(_overlap(shape.box(_size(aspect)), sign.box(_size(aspect))) for shape in scene.shapes):
            return replace(scene, sign=sign)


def eventful_scene(rng: random.Random, aspect: float = 1.0) -> Scene:
    """A moving scene of two or three shapes in which one, that does not move, appears or disappears."""
    while True:
        scene = make_scene(rng, aspect, moving=True, count=rng.choice((2, 2, 3)))
        place = rng.randrange(len(scene.shapes))
        at = rng.choice((0.3, 0.7)) + rng.uniform(-0.06, 0.06)
        changed = replace(scene.shapes[place], present=(at, 1.0) if rng.random() < 0.5 else (0.0, at), direction=None)
        changed = replace(changed, end=changed.start)
        others = [shape for index, shape in enumerate(scene.shapes) if index != place]
        if any(shape.direction for shape in others) and all(apart(changed, other, aspect) for other in others):
            return replace(scene, shapes=(*scene.shapes[:place], changed, *scene.shapes[place + 1 :]))


def scene_pair(rng: random.Random, aspect: float = 1.0) -> tuple[Scene, Scene]:
    """Two still scenes; in the second a shape is gone, has another colour, or has come."""
    while True:
        first = make_scene(rng, aspect, count=rng.choice((2, 3, 4)))
        place = rng.randrange(len(first.shapes))
        names = [shape.name for shape in first.shapes]
        if names.count(names[place]) > 1:
            continue
        second = _without(first, place) if rng.random() < 0.5 else _recoloured(rng, first, place)
        if len({shape.name for shape in second.shapes} ^ set(names)) == 1 + (len(second.shapes) == len(names)):
            return (first, second) if rng.random() < 0.5 else (second, first)


def _without(scene: Scene, place: int) -> Scene:
    return replace(scene, shapes=(*scene.shapes[:place], *scene.shapes[place + 1 :]))


def _recoloured(rng: random.Random, scene: Scene, place: int) -> Scene:
    shape = scene.shapes[place]
    colour = rng.choice([colour for colour in COLOURS if colour != shape.colour])
    other = replace(shape, colour=colour, rgb=shade(rng, colour))
    return replace(scene, shapes=(*scene.shapes[:place], other, *scene.shapes[place + 1 :]))


def _sign(rng: random.Random, aspect: float) -> Sign:
    word = str(rng.randint(10, 99)) if rng.random() < NUMBER_SHARE else rng.choice(WORDS)
    width = LETTER_WIDTH * len(word) + SIGN_MARGIN
    half_x, half_y = (width / 2 + 0.01) / max(1.0, aspect), (SIGN_HEIGHT / 2 + 0.01) / max(1.0, 1.0 / aspect)
    return Sign(word, (rng.uniform(half_x, 1 - half_x), rng.uniform(half_y, 1 - half_y)), width, SIGN_HEIGHT)


def _seen_beside(one: Shape, two: Shape, aspect: float) -> bool:
    if abs(one.start[0] - two.start[0]) < MIN_GAP_X:
        return False
    return _share(one, two, aspect) <= MAX_OVERLAP


def _share(one: Shape, two: Shape, aspect: float) -> float:
    """How much of the smaller one's box the other one's covers."""
    smaller = (2 * min(one.radius, two.radius) * min(_size(aspect))) ** 2
    return _overlap(one.box(_size(aspect)), two.box(_size(aspect))) / smaller


def _overlap(one: Box, two: Box) -> float:
    """Area that two boxes share, in square pixels."""
    width, height = min(one[2], two[2]) - max(one[0], two[0]), min(one[3], two[3]) - max(one[1], two[1])
    return max(0.0, width) * max(0.0, height)


def _size(aspect: float) -> tuple[int, int]:
    return (round(_CANVAS * aspect), _CANVAS) if aspect >= 1 else (_CANVAS, round(_CANVAS / aspect))
