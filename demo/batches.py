"""Samples to token sequences and detection targets.

Several questions about one media share its prefix in one sequence: each question is a block that sees the prefix and
itself only, with positions that go on from the prefix. Every block is so exactly the single-round prompt of production.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from demo import text
from demo.attention import Spans
from demo.samples import Round, Sample, View, canvas
from demo.world import COLOURS, FORMS

CELLS = 4
IGNORE = -100


@dataclass(frozen=True)
class Batch:
    """Samples of one layout. ids, targets, positions int64 [n, length]; behind the prefix the questions in `spans`.

    `cells` float32 [views, 16, 7] as in `cell_targets`; `view_tiles` int64 [views] are their places in `tiles`.
    """

    kind: str
    tiles: NDArray[np.uint8]
    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    positions: NDArray[np.int64]
    spans: Spans
    cells: NDArray[np.float32]
    view_tiles: NDArray[np.int64]


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
            groups = [[[self._rounds(sample.dialogue)] for sample in samples]]
        else:
            groups = [[[self._rounds((item,)) for item in group(sample)] for sample in samples] for group in GROUPS]
        groups = [rows for rows in groups if rows[0]]
        spans = tuple((len(rows[0]), max(len(ids) for row in rows for ids, _ in row)) for rows in groups)
        parts = [self._prefixes(samples, start)]
        parts += [_padded(rows, start, span) for rows, span in zip(groups, spans, strict=True)]
        ids, targets, positions = (np.concatenate([part[c] for part in parts], axis=1) for c in range(3))
        views = [(row, view) for row, sample in enumerate(samples) for view in sample.views]
        per_sample = len(samples[0].tiles)
        view_tiles = np.array([row * per_sample + view.tile for row, view in views], dtype=np.int64)
        cells = np.stack([cell_targets(view) for _, view in views])
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


def cell_targets(view: View) -> NDArray[np.float32]:
    """float32 [16, 7]: present, colour index, form index, x1, y1, x2, y2 (shares) of the shape centred in each cell."""
    cells = np.zeros((CELLS * CELLS, 7), dtype=np.float32)
    width, height = canvas(view.scene)
    for shape in view.scene.shapes:
        if not shape.is_there(view.t):
            continue
        x, y = shape.centre(view.t)
        cell = min(CELLS - 1, int(y * CELLS)) * CELLS + min(CELLS - 1, int(x * CELLS))
        x1, y1, x2, y2 = shape.box((width, height), view.t)
        looks = (1.0, list(COLOURS).index(shape.colour), FORMS.index(shape.form))
        cells[cell] = (*looks, x1 / width, y1 / height, x2 / width, y2 / height)
    return cells
