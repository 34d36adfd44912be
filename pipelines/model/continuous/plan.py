"""One step: whose tokens are computed, where their keys and values go, and which they look back at."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from pipelines.model.continuous.passenger import Passenger
from pipelines.model.continuous.slab import Slab

_ALIGNED_TOKENS = 16
"""Kernels want masks whose rows begin at round addresses."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """The next `count` tokens of a passenger."""

    passenger: Passenger
    count: int

    @property
    def speaks(self) -> bool:
        """Whether a new token comes out of it."""
        return self.count == self.passenger.to_compute


@dataclass(frozen=True, slots=True, eq=False)
class Speakers:
    """Passengers of one slab that are computed together, a token each.

    Attributes:
        rows: theirs; a slice where they are neighbours, because an index copies what it picks.
        most_cached: tokens that are read of each.
        bias: what is added to their scores, [n, 1, 1, most_cached]: 0 for what is theirs, −∞ beyond.
    """

    span: slice
    rows: slice | torch.Tensor
    most_cached: int
    bias: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Several tokens of one prompt, of which `end` will be in the cache after them.

    Attributes:
        seen: which cached tokens each sees, [tokens, end]; None where nothing was cached before.
    """

    span: slice
    row: int
    end: int
    seen: torch.Tensor | None


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What a step does in one slab. `span`: of the step's tokens; `rows`, `places`: where each of them is stored."""

    store: torch.Tensor
    span: slice
    rows: torch.Tensor
    places: torch.Tensor
    speakers: Speakers | None
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A step's tokens in one row, slab by slab. `last`: where those are that a new token follows, `chunks` whose."""

    ids: torch.Tensor
    positions: torch.Tensor
    last: torch.Tensor
    parts: tuple[Part, ...]
    chunks: tuple[Chunk, ...]


def schedule(passengers: Iterable[Passenger], step_tokens: int) -> list[Chunk]:
    """Who computes what within a bound of tokens: those who speak first, then prompts, the oldest first."""
    waiting, chunks, left = [], [], step_tokens
    for passenger in passengers:
        if not passenger.said:
            waiting.append(passenger)
        elif left:
            chunks.append(Chunk(passenger, 1))
            left -= 1
    for passenger in waiting:
        count = min(left, passenger.to_compute)
        if count:
            chunks.append(Chunk(passenger, count))
            left -= count
    return chunks


def plan(chunks: Sequence[Chunk], device: torch.device) -> Plan:
    """The step that computes `chunks`."""
    ordered, parts, start = [], [], 0
    for slab, mine in _by_slab(chunks):
        parts.append(_part(slab, mine, start, device))
        start = parts[-1].span.stop
        ordered += mine
    ends = itertools.accumulate(chunk.count for chunk in ordered)
    last = [end - 1 for chunk, end in zip(ordered, ends, strict=True) if chunk.speaks]
    return Plan(
        ids=torch.tensor([[one for chunk in ordered for one in chunk.passenger.ids(chunk.count)]], device=device),
        positions=torch.cat([part.places for part in parts])[None],
        last=torch.tensor(last, dtype=torch.long, device=device),
        parts=tuple(parts),
        chunks=tuple(chunk for chunk in ordered if chunk.speaks),
    )


def _by_slab(chunks: Sequence[Chunk]) -> Iterator[tuple[Slab, list[Chunk]]]:
    """The chunks of each slab, those who speak before prompts, each in the order of their rows."""
    slabs: dict[Slab, list[Chunk]] = {}
    for chunk in chunks:
        slabs.setdefault(chunk.passenger.home, []).append(chunk)
    for slab, mine in slabs.items():
        yield slab, sorted(mine, key=lambda chunk: (not chunk.passenger.said, chunk.passenger.row))


def _part(slab: Slab, chunks: Sequence[Chunk], start: int, device: torch.device) -> Part:
    rows = [chunk.passenger.row for chunk in chunks for _ in range(chunk.count)]
    places = [chunk.passenger.cached + offset for chunk in chunks for offset in range(chunk.count)]
    speaking = [chunk.passenger for chunk in chunks if chunk.passenger.said]
    stretches, end = [], start + len(speaking)
    for chunk in chunks[len(speaking) :]:
        stretches.append(_stretch(chunk, end, device))
        end += chunk.count
    return Part(
        store=slab.store,
        span=slice(start, end),
        rows=torch.tensor(rows, device=device),
        places=torch.tensor(places, device=device),
        speakers=_speakers(slab, speaking, start, device) if speaking else None,
        stretches=tuple(stretches),
    )


def _speakers(slab: Slab, passengers: Sequence[Passenger], start: int, device: torch.device) -> Speakers:
    rows = [passenger.row for passenger in passengers]
    lengths = torch.tensor([passenger.cached + 1 for passenger in passengers], device=device)
    longest = max(passenger.cached + 1 for passenger in passengers)
    most = min(slab.room_tokens, -(-longest // _ALIGNED_TOKENS) * _ALIGNED_TOKENS)
    beyond = torch.arange(most, device=device) >= lengths[:, None]
    bias = torch.zeros(beyond.shape, dtype=slab.store.dtype, device=device).masked_fill_(beyond, -torch.inf)
    neighbours = rows[-1] - rows[0] == len(rows) - 1
    return Speakers(
        span=slice(start, start + len(rows)),
        rows=slice(rows[0], rows[-1] + 1) if neighbours else torch.tensor(rows, device=device),
        most_cached=most,
        bias=bias[:, None, None],
    )


def _stretch(chunk: Chunk, start: int, device: torch.device) -> Stretch:
    cached, end = chunk.passenger.cached, chunk.passenger.cached + chunk.count
    seen = None
    if cached:
        seen = torch.arange(end, device=device) <= torch.arange(cached, end, device=device)[:, None]
    return Stretch(slice(start, start + chunk.count), chunk.passenger.row, end, seen)
