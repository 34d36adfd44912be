"""Training samples: scenes to tiles and rounds of questions with their right answers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo import text
from demo.tiles import tile_image
from demo.world import (
    AskTask,
    GroundTask,
    Scene,
    asks,
    caption,
    grounds,
    make_scene,
    render,
    video_asks,
    video_caption,
)
from demo.world.chinese import CAPTION_PROMPT, chinese_asks, chinese_caption, chinese_motion, chinese_phrase
from demo.world.more_questions import absent_phrases, dialogue, event_asks, more_asks, pair_asks
from demo.world.more_scenes import crowded_scene, eventful_scene, scene_pair, sign_scene

TILE = 112
ASPECTS: dict[str, tuple[float, ...]] = {
    "single": (16 / 9, 16 / 9, 1.0, 4 / 3, 9 / 16),
    "2x1": (16 / 9, 16 / 9, 1.6, 2.0),
    "2x2": (1.0, 4 / 3, 0.75, 1.2),
    "1x2": (9 / 16, 0.6),
    "pair": (1.0, 4 / 3),
    "video": (16 / 9, 16 / 9, 4 / 3, 1.0),
}
TILES: dict[str, int] = {"single": 1, "2x1": 3, "2x2": 5, "1x2": 3, "pair": 1}
LONG, SHORT, VIDEO_SHORT = 4, 6, 6
"""Rounds of a sample: captions and boxes, short answers; of a video only short ones beside its caption."""


@dataclass(frozen=True)
class Round:
    """One question with its right answer; `kind` is what it is scored as."""

    kind: str
    question: str
    answer: str


@dataclass(frozen=True)
class View:
    """A tile that shows a whole scene at one time."""

    tile: int
    scene: Scene
    t: float = 0.0


@dataclass(frozen=True)
class Sample:
    """tiles uint8 [t, 112, 112, 3].

    Rounds stand in two groups of alike length, always as many of each, so that a batch wastes little on padding.
    `dialogue` is a conversation about the same.
    """

    tiles: NDArray[np.uint8]
    prefix: str
    long: tuple[Round, ...]
    short: tuple[Round, ...]
    views: tuple[View, ...]
    dialogue: tuple[Round, ...] = ()

    @property
    def rounds(self) -> tuple[Round, ...]:
        return self.long + self.short


def make_sample(rng: random.Random, layout: str, frames: int = 8, most: int = 4) -> Sample:
    """layout: single (one tile, still or a frame of a motion), 2x1, 2x2, 1x2 (grid and thumbnail), pair or video.

    `most` limits how many shapes a phrase may name: answers of few boxes make short batches.
    """
    aspect = rng.choice(ASPECTS[layout])
    if layout == "video":
        return _video(rng, aspect, frames)
    if layout == "pair":
        return _pair(rng, aspect)
    while True:
        sample = _image(rng, layout, aspect, most)
        if sample is not None:
            return sample


def _image(rng: random.Random, layout: str, aspect: float, most: int) -> Sample | None:
    t = 0.0
    if layout == "single" and rng.random() < 0.3:
        scene, t = _moving(rng, aspect), rng.random()
    else:
        scene = _still(rng, aspect * rng.uniform(0.97, 1.03))
    tiles = tile_image(_noisy(rng, _source(rng, scene, t)), 1 if layout == "single" else 4, TILE)
    if len(tiles) != TILES[layout]:
        return None
    long, short = _image_rounds(scene, rng, t, most)
    rounds = tuple(_round(task) for task in dialogue(scene, rng)) if t == 0.0 else long[1:]
    return Sample(tiles, text.prefix(len(tiles)), long, short, (View(len(tiles) - 1, scene, t),), (*rounds, long[0]))


def _still(rng: random.Random, aspect: float) -> Scene:
    make = rng.choices((make_scene, crowded_scene, sign_scene), (0.55, 0.2, 0.25))[0]
    return make(rng, aspect)


def _moving(rng: random.Random, aspect: float) -> Scene:
    return eventful_scene(rng, aspect) if rng.random() < 0.4 else make_scene(rng, aspect, moving=True)


def _pair(rng: random.Random, aspect: float) -> Sample:
    pair = scene_pair(rng, aspect)
    tiles = np.concatenate([tile_image(_noisy(rng, _source(rng, scene, 0.0)), 1, TILE) for scene in pair])
    short = tuple(_round(task) for task in pair_asks(pair))
    return Sample(tiles, text.images_prefix(2, 1), (), short, tuple(View(i, scene) for i, scene in enumerate(pair)))


def _video(rng: random.Random, aspect: float, frames: int) -> Sample:
    scene = _moving(rng, aspect)
    times = [min(1.0, max(0.0, (i + 0.5 + rng.uniform(-0.1, 0.1)) / frames)) for i in range(frames)]
    size = _size(rng, scene, rng.randint(140, 240))
    tiles = np.concatenate([tile_image(_noisy(rng, render(scene, size, t)), 1, TILE) for t in times])
    words = Round("video_caption", text.VIDEO_CAPTION_PROMPT, video_caption(scene))
    tasks, events = video_asks(scene, rng), event_asks(scene)
    chosen = [*tasks[:3], *events]
    chosen += rng.sample([*tasks[3:], chinese_motion(scene, rng)], VIDEO_SHORT - len(chosen))
    views = tuple(View(i, scene, t) for i, t in enumerate(times))
    return Sample(tiles, text.prefix(1, frames), (words,), tuple(map(_round, chosen)), views)


def _image_rounds(scene: Scene, rng: random.Random, t: float, most: int) -> tuple[tuple[Round, ...], tuple[Round, ...]]:
    """Captions and boxes, and short answers."""
    long, must = list[Round](), list[AskTask]()
    tasks = [*asks(scene, rng), *more_asks(scene), *chinese_asks(scene, rng)]
    if t == 0.0:
        long.append(_caption(scene, rng))
        must = [task for task in tasks if task.slice in ("reading", "sizes")]
    else:  # Later in a motion the order is no longer that of the start, and not everything is there.
        tasks = [task for task in tasks if task.slice == "attributes" and all(s.is_there(t) for s in scene.shapes)]
    phrases = _phrases(scene, rng, most)
    long += [_ground_round(scene, next(phrases), t) for _ in range(LONG - len(long))]
    others = [task for task in tasks if task not in must]
    rng.shuffle(others)
    short = [_round(task) for task in (*must, *others)][:SHORT]
    while len(short) < SHORT:
        short.append(_there(scene, rng, t))
    return tuple(long), tuple(short)


def _there(scene: Scene, rng: random.Random, t: float) -> Round:
    """Whether a shape can be seen at this time."""
    task = rng.choice((*grounds(scene), *absent_phrases(scene, rng)))
    name = task.phrase.removeprefix("the ").removesuffix("s")
    here = any(scene.shapes[i].is_there(t) for i in task.shapes)
    article = "an" if name[0] in "aeiou" else "a"
    return Round("exists", f"Is there {article} {name}?", "yes" if here else "no")


def _caption(scene: Scene, rng: random.Random) -> Round:
    if rng.random() < 0.15:
        return Round("caption", CAPTION_PROMPT, chinese_caption(scene))
    return Round("caption", text.IMAGE_CAPTION_PROMPT, caption(scene))


def _phrases(scene: Scene, rng: random.Random, most: int) -> Iterator[GroundTask]:
    """Without end: what is there, now and then what is not, and now and then in Chinese."""
    named = [phrase for phrase in grounds(scene) if len(phrase.shapes) <= most]
    several = [phrase for phrase in named if len(phrase.shapes) > 1]
    while True:
        chance = rng.random()
        if chance < 0.2 or not named:
            yield rng.choice(absent_phrases(scene, rng))
        elif chance < 0.28:
            yield chinese_phrase(scene, rng)
        else:
            yield rng.choice(several if several and chance < 0.55 else named)


def _ground_round(scene: Scene, task: GroundTask, t: float) -> Round:
    there = [scene.shapes[i] for i in task.shapes if scene.shapes[i].is_there(t)]
    boxes = sorted(text.thousandths(shape.box(canvas(scene), t), canvas(scene)) for shape in there)
    answer = text.ground_answer(task.phrase, map(text.coarse, boxes))
    return Round("boxes" if boxes else "absent", text.GROUND_PROMPT.format(task.phrase), answer)


def _round(task: AskTask) -> Round:
    return Round(task.slice, task.question, task.truth)


def canvas(scene: Scene) -> tuple[int, int]:
    """A large size of the scene's aspect, to compute thousandths on."""
    return round(10000 * scene.aspect), 10000


def _size(rng: random.Random, scene: Scene, short: int) -> tuple[int, int]:
    return (round(short * scene.aspect), short) if scene.aspect >= 1 else (short, round(short / scene.aspect))


def _source(rng: random.Random, scene: Scene, t: float) -> Image.Image:
    return render(scene, _size(rng, scene, rng.randint(165, 300)), t)


def _noisy(rng: random.Random, image: Image.Image) -> Image.Image:
    """Compression leaves faint noise; a third of the pictures get some."""
    if rng.random() > 0.33:
        return image
    pixels = np.asarray(image, dtype=np.int16)
    noise = np.random.default_rng(rng.getrandbits(32)).integers(-3, 4, pixels.shape, dtype=np.int16)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
