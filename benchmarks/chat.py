"""The published batch_chat loop against an engine: same weights, same questions, same answer lengths."""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.engine import SimpleEngine
from pipelines.model.internvl import InternVL
from pipelines.model.load import load_model
from pipelines.model.types import ChatRequest, VisualInput
from reelmill.schema.tasks import Generation

Media = Sequence[npt.NDArray[np.uint8]]
"""Tiles [n, size, size, 3] of each."""

_SHORTEST, _LONGEST = 16, 256
_ENGINES: Mapping[str, type[ContinuousEngine | SimpleEngine]] = {
    "continuous": ContinuousEngine,
    "simple": SimpleEngine,
}


@dataclass(frozen=True)
class _Asked:
    """A question, the media it is about, and how long its answer is to be."""

    media: int
    question: str
    tokens: int


@dataclass(frozen=True)
class _Sides:
    """What is compared: the published loop with these batch sizes, and an engine."""

    model: InternVL
    engine: type[ContinuousEngine | SimpleEngine]
    batches: Sequence[int]


@dataclass(frozen=True)
class _Run:
    wall_s: float
    cpu_s: float
    token_ids: tuple[tuple[int, ...], ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, default=Path("demo/model"))
    parser.add_argument("--engine", choices=sorted(_ENGINES), default="continuous")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--questions", type=int, nargs="+", default=[1, 3, 8], help="questions per media")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16], help="published batch sizes")
    parser.add_argument("--tiles", type=int, default=16, help="per media: a video's segments")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    model = load_model(str(arguments.model), device=arguments.device, dtype=arguments.dtype)
    _force_lengths(model)
    result: dict[str, Any] = {
        "engine": arguments.engine,
        "device": arguments.device,
        "dtype": arguments.dtype,
        "requests": arguments.requests,
    }
    equal = True
    for per_media in arguments.questions:
        asked = _workload(random.Random(arguments.seed), arguments.requests, per_media)
        media = _media(model, asked[-1].media + 1, arguments.tiles)
        engine = _ENGINES[arguments.engine]
        runs = _runs(_Sides(model, engine, arguments.batches), media, asked, arguments.repeats)
        wall, cpu = (_medians(runs, clock) for clock in ("wall_s", "cpu_s"))
        result[f"ratio_{per_media}"] = _ratio(wall)
        result[f"cpu_ratio_{per_media}"] = _ratio(cpu)
        result[f"seconds_{per_media}"] = wall
        equal = equal and len({one.token_ids for done in runs.values() for one in done}) == 1
    return result | {"tokens_equal": equal}


def _runs(sides: _Sides, media: Media, asked: Sequence[_Asked], repeats: int) -> dict[str, list[_Run]]:
    """Every side in turn, so often."""
    runs: dict[str, list[_Run]] = {name: [] for name in (*(f"batch_{size}" for size in sides.batches), "engine")}
    for _ in range(repeats):
        for size in sides.batches:
            runs[f"batch_{size}"].append(_published(sides.model, media, asked, size))
        runs["engine"].append(_engine(sides, media, asked))
    return runs


def _medians(runs: Mapping[str, Sequence[_Run]], clock: str) -> dict[str, float]:
    return {name: round(statistics.median(getattr(one, clock) for one in done), 2) for name, done in runs.items()}


def _ratio(seconds: Mapping[str, float]) -> float:
    """The faster published batch size against the engine."""
    return round(min(value for name, value in seconds.items() if name != "engine") / seconds["engine"], 2)


def _force_lengths(model: InternVL) -> None:
    """No answer ends by itself: the stop token is never the likeliest."""
    stop = model.tokenizer.stop_id

    def forbid(module: Any, inputs: Any, logits: torch.Tensor) -> torch.Tensor:
        logits[..., stop] = torch.finfo(logits.dtype).min
        return logits

    model.network.language_model.lm_head.register_forward_hook(forbid)


def _workload(chance: random.Random, requests: int, per_media: int) -> list[_Asked]:
    """All questions of one media behind each other, as an archive is asked."""
    lengths = [chance.randint(_SHORTEST, _LONGEST) for _ in range(requests)]
    return [
        _Asked(index // per_media, f"Question {index % per_media}: what is to be seen in the {index}th place?", tokens)
        for index, tokens in enumerate(lengths)
    ]


def _media(model: InternVL, count: int, tiles: int) -> Media:
    size = model.info.tile_size
    return [np.random.default_rng(number).integers(0, 256, (tiles, size, size, 3), np.uint8) for number in range(count)]


def _published(model: InternVL, media: Media, asked: Sequence[_Asked], batch_size: int) -> _Run:
    """The quick start's loop: every question brings its own pixels, every batch runs to its longest answer."""
    said: list[tuple[int, ...]] = []
    wall, cpu = time.perf_counter(), time.process_time()
    with _GeneratedIds(model) as generated:
        for start in range(0, len(asked), batch_size):
            batch = asked[start : start + batch_size]
            pixels = [media[one.media] for one in batch]
            model.batch_chat(
                np.concatenate(pixels),
                [one.question for one in batch],
                {"max_new_tokens": max(one.tokens for one in batch), "do_sample": False},
                num_patches_list=[len(tiles) for tiles in pixels],
            )
            said += [tuple(ids[: one.tokens]) for ids, one in zip(generated.pop(), batch, strict=True)]
    return _Run(time.perf_counter() - wall, time.process_time() - cpu, tuple(said))


class _GeneratedIds:
    """Notes what `generate` returns inside the block; batch_chat itself returns text alone."""

    def __init__(self, model: InternVL) -> None:
        self._tokenizer = model.tokenizer
        self._rows: list[list[int]] = []

    def __enter__(self) -> _GeneratedIds:
        self._real = self._tokenizer.decode
        self._tokenizer.decode = self._note  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        self._tokenizer.decode = self._real  # type: ignore[method-assign]

    def pop(self) -> list[list[int]]:
        rows, self._rows = self._rows, []
        return rows

    def _note(self, ids: Sequence[int]) -> str:
        self._rows.append(list(ids))
        return self._real(ids)


def _engine(sides: _Sides, media: Media, asked: Sequence[_Asked]) -> _Run:
    """A new engine: nothing is in its caches yet, and its start is counted in."""
    wall, cpu = time.perf_counter(), time.process_time()
    engine = sides.engine(sides.model)
    futures = [engine.submit(_request(media[one.media], one)) for one in asked]
    said = tuple(future.result().token_ids for future in futures)
    engine.close()
    return _Run(time.perf_counter() - wall, time.process_time() - cpu, said)


def _request(tiles: npt.NDArray[np.uint8], asked: _Asked) -> ChatRequest:
    visual = VisualInput(tiles, (len(tiles),), (f"media {asked.media}",))
    return ChatRequest(f"<image>\n{asked.question}", visual, generation=Generation(max_new_tokens=asked.tokens))
