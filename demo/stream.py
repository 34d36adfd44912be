"""The endless stream of training batches, made in processes of their own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.utils.data import IterableDataset, get_worker_info

from demo.batches import Batch, Encoder
from demo.samples import make_sample
from demo.tokenizer import load_tokenizer


class Stream(IterableDataset[list[Batch]]):
    """The batches of one step after another; what they hold depends on the share of the budget that is spent."""

    def __init__(self, encoder_folder: Path, seed: str, phase: str) -> None:
        self.folder, self.seed, self.phase = encoder_folder, seed, phase

    def __iter__(self) -> Iterator[list[Batch]]:
        torch.set_num_threads(1)
        worker = get_worker_info()
        rng = random.Random(f"{self.seed}/{self.phase}/{worker.id if worker else 0}")
        encoder = Encoder(load_tokenizer(self.folder))
        while True:
            yield step_batches(encoder, rng, self.phase)


def step_batches(encoder: Encoder, rng: random.Random, phase: str) -> list[Batch]:
    """What one process learns from in one step."""
    if phase == "see":
        return [_batch(encoder, rng, "single", 48)]
    if phase == "single":
        return [_batch(encoder, rng, "single", 20)]
    grid = rng.choice(("2x1", "2x1", "2x2", "2x2", "1x2"))
    batches = [_batch(encoder, rng, "single", 6), _batch(encoder, rng, grid, 10 if grid != "2x2" else 7)]
    if rng.random() < 0.3:
        batches.append(_batch(encoder, rng, "pair", 6))
    frames = rng.choice((8, 8, 4))
    return [*batches, _batch(encoder, rng, "video", 32 // frames, frames)]


def _batch(encoder: Encoder, rng: random.Random, layout: str, count: int, frames: int = 8) -> Batch:
    most = rng.choice((1, 2, 4))
    samples = [make_sample(rng, layout, frames, most) for _ in range(count)]
    return encoder.batch(layout, samples, conversation=rng.random() < 0.06 and bool(samples[0].dialogue))
