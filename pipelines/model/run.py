"""One batch through the model: pictures that are not known yet are encoded, prompts embedded, answers generated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pipelines.model.features import FeatureCache
from pipelines.model.generation import Prompts, RowLimits, generate, generation_config, plain_options, seeded
from pipelines.model.internvl import InternVL
from pipelines.model.schedule import Ticket


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What was generated for a ticket, the stop token included. Of a cancelled one it means nothing."""

    ticket: Ticket
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class BatchRun:
    """A finished batch. `started_at` of time.monotonic(); the times are the whole batch's, in wall seconds."""

    rows: tuple[Row, ...]
    started_at: float
    vision_s: float
    prefill_s: float
    generate_s: float


class _Watch:
    """Asks whether tickets have ended, and notes when it was first asked behind a token."""

    def __init__(self, ended: Callable[[Ticket], bool]) -> None:
        self.ended = ended
        self.spoken_at: float | None = None

    def ended_behind_token(self, ticket: Ticket) -> bool:
        self.spoken_at = self.spoken_at or time.monotonic()
        return self.ended(ticket)


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    key: str
    tiles: npt.NDArray[np.uint8]


def run_batch(
    model: InternVL, cache: FeatureCache, tickets: Sequence[Ticket], ended: Callable[[Ticket], bool]
) -> BatchRun:
    """Answer tickets that `next_batch` put together.

    Args:
        ended: asked for each ticket between tokens: whether its row may end now.

    Raises:
        torch.OutOfMemoryError, and whatever else the device raises.
    """
    started_at = time.monotonic()
    features = _features(model, cache, [ticket for ticket in tickets if not ended(ticket)])
    _wait_for(model.network.device)
    encoded_at = time.monotonic()
    watch = _Watch(ended)
    rows = _generate(model, tickets, features, watch)
    ended_at = time.monotonic()
    spoken_at = watch.spoken_at or ended_at
    return BatchRun(rows, started_at, encoded_at - started_at, spoken_at - encoded_at, ended_at - spoken_at)


def _features(model: InternVL, cache: FeatureCache, tickets: Sequence[Ticket]) -> dict[str, torch.Tensor]:
    """The features of every picture by content key; each is encoded once, and only when the cache has it not."""
    pictures = {picture.key: picture for ticket in tickets for picture in _pictures(ticket)}
    known = {key: found for key in pictures if (found := cache.get(key)) is not None}
    missing = [picture for key, picture in pictures.items() if key not in known]
    if missing:
        encoded = model.encode(np.concatenate([picture.tiles for picture in missing]))
        parts = torch.split(encoded, [len(picture.tiles) for picture in missing])
        for picture, part in zip(missing, parts, strict=True):
            known[picture.key] = part.clone()  # its own memory: a view would keep the whole batch's alive
            cache.put(picture.key, known[picture.key])
    return known


def _generate(
    model: InternVL, tickets: Sequence[Ticket], features: dict[str, torch.Tensor], watch: _Watch
) -> tuple[Row, ...]:
    alive = [ticket for ticket in tickets if not watch.ended(ticket)]
    if not alive:
        return ()
    plain = [ticket for ticket in alive if ticket.generation.num_beams == 1]
    limits = RowLimits(
        max_new_tokens=tuple(ticket.max_new_tokens for ticket in alive),
        cancelled=lambda row: watch.ended_behind_token(alive[row]),
        readers=tuple(model.reader(ticket.generation) for ticket in plain),
        listeners=tuple(ticket.listener for ticket in plain),
        guides=tuple(ticket.guide for ticket in alive),
    )
    options = plain_options(alive[0].generation) | {"max_new_tokens": max(limits.max_new_tokens)}
    config = generation_config(options, model.tokenizer.stop_id)
    prompts = Prompts(tuple(_embedded(model, ticket, features) for ticket in alive))
    with seeded(alive[0].generation.seed, model.network.device):
        ids = generate(model.network.language_model, prompts, config, limits)
    return tuple(Row(ticket, tuple(row)) for ticket, row in zip(alive, ids, strict=True))


def _embedded(model: InternVL, ticket: Ticket, features: dict[str, torch.Tensor]) -> torch.Tensor:
    parts = [features[picture.key] for picture in _pictures(ticket)]
    return model.embed(ticket.ids, torch.cat(parts) if parts else None)


def _pictures(ticket: Ticket) -> Iterator[_Picture]:
    if ticket.visual is None:
        return
    start = 0
    for key, count in zip(ticket.visual.content_keys, ticket.visual.tiles_per_image, strict=True):
        yield _Picture(key, ticket.visual.tiles[start : start + count])
        start += count


def _wait_for(device: torch.device) -> None:
    """Kernels run behind the caller's back; times are true only once they are done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
