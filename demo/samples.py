"""Training samples: scenes to tiles, token sequences and detection targets.

Several questions about one media share its prefix in one sequence: each question is a block that sees the prefix and
itself only, with positions that go on from the prefix. Every block is so exactly the single-round prompt of production.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

from demo import text
from demo.net import Spans
from demo.tiles import tile_image
from demo.world import (
    COLOURS,
    FORMS,
    GroundTask,
    Scene,
    Shape,
    asks,
    caption,
    grounds,
    make_scene,
    render,
    video_asks,
    video_caption,
)

TILE = 112
CELLS = 4
IGNORE = -100
ASPECTS: dict[str, tuple[float, ...]] = {
    "single": (16 / 9, 16 / 9, 1.0, 4 / 3, 9 / 16),
    "2x1": (16 / 9, 16 / 9, 1.6, 2.0),
    "2x2": (1.0, 4 / 3, 0.75, 1.2),
    "1x2": (9 / 16, 0.6),
    "video": (16 / 9, 16 / 9, 4 / 3, 1.0),
}
TILES: dict[str, int] = {"single": 1, "2x1": 3, "2x2": 5, "1x2": 3}


@dataclass(frozen=True)
class Round:
    """One question with its right answer; `kind` is what it is scored as."""

    kind: str
    question: str
    answer: str


@dataclass(frozen=True)
class Sample:
    """tiles uint8 [t, 112, 112, 3]; `views` are the tiles that show the whole scene, with their time share.

    Rounds stand in two groups of alike length, always as many of each, so that a batch wastes little on padding.
    """

    tiles: NDArray[np.uint8]
    prefix: str
    long: tuple[Round, ...]
    short: tuple[Round, ...]
    scene: Scene
    views: tuple[tuple[int, float], ...]

    @property
    def rounds(self) -> tuple[Round, ...]:
        return self.long + self.short


@dataclass(frozen=True)
class Batch:
    """Samples of one layout. ids, targets, positions int64 [n, length]; behind the prefix the questions in `spans`."""

    kind: str
    tiles: NDArray[np.uint8]
    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    positions: NDArray[np.int64]
    spans: Spans
    cells: NDArray[np.float32]
    view_tiles: NDArray[np.int64]


def make_sample(rng: random.Random, layout: str, frames: int = 8, most: int = 4) -> Sample:
    """layout: single (one tile, still or a frame of a motion), 2x1, 2x2, 1x2 (grid and thumbnail) or video.

    `most` limits how many shapes a phrase may name: answers of one box make short batches.
    """
    aspect = rng.choice(ASPECTS[layout])
    if layout == "video":
        return _video(rng, make_scene(rng, aspect, moving=True), frames)
    t = 0.0
    if layout == "single":
        scene = make_scene(rng, aspect, moving=(moving := rng.random() < 0.3))
        t = rng.random() if moving else 0.0
    else:
        scene = make_scene(rng, aspect * rng.uniform(0.97, 1.03))
    tiles = tile_image(_noisy(rng, _source(rng, scene, t)), 1 if layout == "single" else 4, TILE)
    if len(tiles) != TILES[layout]:
        return make_sample(rng, layout, frames, most)
    long, short = _image_rounds(scene, rng, t, most)
    if len(long) < 3:
        return make_sample(rng, layout, frames, most)
    return Sample(tiles, text.prefix(len(tiles)), long, short, scene, ((len(tiles) - 1, t),))


def _video(rng: random.Random, scene: Scene, frames: int) -> Sample:
    times = [min(1.0, max(0.0, (i + 0.5 + rng.uniform(-0.1, 0.1)) / frames)) for i in range(frames)]
    size = _size(rng, scene, rng.randint(140, 240))
    tiles = np.concatenate([tile_image(_noisy(rng, render(scene, size, t)), 1, TILE) for t in times])
    words = Round("video_caption", text.VIDEO_CAPTION_PROMPT, video_caption(scene))
    tasks = video_asks(scene, rng)
    short = tuple(Round(task.slice, task.question, task.truth) for task in tasks[:3] + rng.sample(tasks[3:], 2))
    return Sample(tiles, text.prefix(1, frames), (words,), short, scene, tuple(enumerate(times)))


def _image_rounds(scene: Scene, rng: random.Random, t: float, most: int) -> tuple[tuple[Round, ...], tuple[Round, ...]]:
    """Three long rounds (caption and boxes) and four short ones."""
    tasks, long = asks(scene, rng), []
    if t == 0.0:
        long.append(Round("caption", text.IMAGE_CAPTION_PROMPT, caption(scene)))
    else:  # Later in a motion the order is no longer that of the start, so what depends on it is left out.
        tasks = [task for task in tasks if task.slice != "position"]
    phrases = [phrase for phrase in grounds(scene) if len(phrase.shapes) <= most]
    rng.shuffle(phrases)
    while phrases and len(long) < 3:
        long.append(_ground_round(scene, phrases[len(long) % len(phrases)], t))
    short = [Round(task.slice, task.question, task.truth) for task in rng.sample(tasks, 4)]
    return tuple(long), tuple(short)


def _ground_round(scene: Scene, task: GroundTask, t: float) -> Round:
    boxes = sorted(text.thousandths(scene.shapes[i].box(_canvas(scene), t), _canvas(scene)) for i in task.shapes)
    return Round(
        "boxes", text.GROUND_PROMPT.format(task.phrase), text.ground_answer(task.phrase, map(text.coarse, boxes))
    )


def _canvas(scene: Scene) -> tuple[int, int]:
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


class Encoder:
    """Text to ids, remembering what comes again and again."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._encode: Callable[[str], tuple[int, ...]] = lru_cache(50_000)(
            lambda words: tuple(tokenizer.encode(words, add_special_tokens=False).ids)
        )

    def batch(self, kind: str, samples: Sequence[Sample], conversation: bool = False) -> Batch:
        """All samples must have the same layout; a conversation has its rounds one after another, not side by side."""
        start = len(self._encode(samples[0].prefix))
        if conversation:
            groups = [[[self._rounds(sample.rounds)] for sample in samples]]
        else:
            groups = [[[self._rounds((item,)) for item in group(sample)] for sample in samples] for group in GROUPS]
        spans = tuple((len(rows[0]), max(len(ids) for row in rows for ids, _ in row)) for rows in groups)
        parts = [self._prefixes(samples, start)]
        parts += [_padded(rows, start, span) for rows, span in zip(groups, spans, strict=True)]
        ids, targets, positions = (np.concatenate([part[c] for part in parts], axis=1) for c in range(3))
        views = [(row, view) for row, sample in enumerate(samples) for view in sample.views]
        per_sample = len(samples[0].tiles)
        cells = np.stack([cell_targets(samples[row].scene.shapes, samples[row].scene, t) for row, (_, t) in views])
        view_tiles = np.array([row * per_sample + tile for row, (tile, _) in views], dtype=np.int64)
        tiles = np.concatenate([sample.tiles for sample in samples])
        return Batch(kind, tiles, ids, targets, positions, spans, cells, view_tiles)

    def _prefixes(self, samples: Sequence[Sample], start: int) -> tuple[NDArray[np.int64], ...]:
        ids = np.array([self._encode(sample.prefix) for sample in samples], dtype=np.int64)
        return ids, np.full_like(ids, IGNORE), np.broadcast_to(np.arange(start), ids.shape)

    def _rounds(self, rounds: Sequence[Round]) -> tuple[list[int], list[int]]:
        """ids of rounds that follow each other, and targets: the next token where it belongs to an answer."""
        ids: list[int] = []
        targets: list[int] = []
        for index, item in enumerate(rounds):
            question = self._encode(text.next_round(item.question) if index else text.question_part(item.question))
            answer = self._encode(text.answer_part(item.answer))
            ids += [*question, *answer]
            targets += [IGNORE] * (len(question) - 1) + [*answer, IGNORE]
        return ids, targets


GROUPS: tuple[Callable[[Sample], tuple[Round, ...]], ...] = (lambda sample: sample.long, lambda sample: sample.short)


def _padded(
    rows: Sequence[Sequence[tuple[list[int], list[int]]]], start: int, span: tuple[int, int]
) -> tuple[NDArray[np.int64], ...]:
    count, length = span
    ids = np.zeros((len(rows), count, length), dtype=np.int64)
    targets = np.full_like(ids, IGNORE)
    for i, row in enumerate(rows):
        for j, (words, wanted) in enumerate(row):
            ids[i, j, : len(words)] = words
            targets[i, j, : len(wanted)] = wanted
    positions = np.broadcast_to(np.arange(start, start + length), ids.shape)
    flat = (len(rows), count * length)
    return ids.reshape(flat), targets.reshape(flat), positions.reshape(flat)


def cell_targets(shapes: Sequence[Shape], scene: Scene, t: float) -> NDArray[np.float32]:
    """float32 [16, 7]: present, colour index, form index, x1, y1, x2, y2 (shares) of the shape centred in each cell."""
    cells = np.zeros((CELLS * CELLS, 7), dtype=np.float32)
    width, height = _canvas(scene)
    for shape in shapes:
        x, y = shape.centre(t)
        cell = min(CELLS - 1, int(y * CELLS)) * CELLS + min(CELLS - 1, int(x * CELLS))
        x1, y1, x2, y2 = shape.box((width, height), t)
        looks = (1.0, list(COLOURS).index(shape.colour), FORMS.index(shape.form))
        cells[cell] = (*looks, x1 / width, y1 / height, x2 / width, y2 / height)
    return cells
