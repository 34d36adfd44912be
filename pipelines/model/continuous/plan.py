"""One step: whose tokens are computed, where their keys and values go, and which they look back at."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from pipelines.model.continuous.passenger import Passenger
from pipelines.model.continuous.prefixes import Prefix
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
        most_cached: tokens that are read of each row.
        bias: what is added to their scores, [n, 1, 1, most_cached]: 0 for what is theirs, −∞ beyond; None where all is.
        shares: whether some of them have a prefix elsewhere.
    """

    span: slice
    rows: slice | torch.Tensor
    most_cached: int
    bias: torch.Tensor | None
    shares: bool


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Several tokens of one prompt, of which `end` will be in its row after them.

    Attributes:
        seen: which cached tokens each sees, [tokens, shared + end]; None where nothing was cached before.
        prefix: has the first `shared`.
    """

    span: slice
    row: int
    end: int
    seen: torch.Tensor | None
    prefix: Prefix | None
    shared: int


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
class Audience:
    """Speakers, wherever their rows are, whose first `shared` tokens lie in one prefix. `tokens`: of the step."""

    prefix: Prefix
    shared: int
    tokens: slice | torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A step's tokens in one row, slab by slab.

    Attributes:
        words_only: whether there are no visual ids, nor any other of a prompt, among `ids`.
        last: where those are that a new token follows; `chunks` says whose.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    words_only: bool
    last: torch.Tensor
    parts: tuple[Part, ...]
    audiences: tuple[Audience, ...]
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
    by_slab = list(_by_slab(chunks))
    ordered = [chunk for _, mine in by_slab for chunk in mine]
    # One tensor, because each costs a device a transfer of its own.
    facts = torch.tensor(
        [
            [one for chunk in ordered for one in chunk.passenger.ids(chunk.count)],
            [chunk.passenger.cached + offset for chunk in ordered for offset in range(chunk.count)],
            [chunk.passenger.in_row + offset for chunk in ordered for offset in range(chunk.count)],
            [chunk.passenger.row for chunk in ordered for _ in range(chunk.count)],
        ]
    ).to(device)
    parts, start = [], 0
    for slab, mine in by_slab:
        parts.append(_part(slab, mine, start, facts))
        start = parts[-1].span.stop
    ends = itertools.accumulate(chunk.count for chunk in ordered)
    last = [end - 1 for chunk, end in zip(ordered, ends, strict=True) if chunk.speaks]
    return Plan(
        ids=facts[0],
        positions=facts[1],
        words_only=all(chunk.passenger.said for chunk in ordered),
        last=torch.tensor(last, dtype=torch.long, device=device),
        parts=tuple(parts),
        audiences=tuple(_audiences(ordered, device)),
        chunks=tuple(chunk for chunk in ordered if chunk.speaks),
    )


def _by_slab(chunks: Sequence[Chunk]) -> Iterator[tuple[Slab, list[Chunk]]]:
    """The chunks of each slab, those who speak before prompts, each in the order of their rows."""
    slabs: dict[Slab, list[Chunk]] = {}
    for chunk in chunks:
        slabs.setdefault(chunk.passenger.home, []).append(chunk)
    for slab, mine in slabs.items():
        yield slab, sorted(mine, key=lambda chunk: (not chunk.passenger.said, chunk.passenger.row))


def _part(slab: Slab, chunks: Sequence[Chunk], start: int, facts: torch.Tensor) -> Part:
    speaking = [chunk.passenger for chunk in chunks if chunk.passenger.said]
    stretches, end = [], start + len(speaking)
    for chunk in chunks[len(speaking) :]:
        stretches.append(_stretch(chunk, end, facts.device))
        end += chunk.count
    return Part(
        store=slab.store,
        span=slice(start, end),
        rows=facts[3, start:end],
        places=facts[2, start:end],
        speakers=_speakers(slab, speaking, start, facts) if speaking else None,
        stretches=tuple(stretches),
    )


def _speakers(slab: Slab, passengers: Sequence[Passenger], start: int, facts: torch.Tensor) -> Speakers:
    span = slice(start, start + len(passengers))
    rows = [passenger.row for passenger in passengers]
    lengths = {passenger.in_row + 1 for passenger in passengers}
    most, bias = max(lengths), None
    if len(lengths) > 1:
        most = min(slab.room_tokens, -(-most // _ALIGNED_TOKENS) * _ALIGNED_TOKENS)
        beyond = torch.arange(most, device=facts.device) > facts[2, span, None]
        bias = torch.zeros(beyond.shape, dtype=slab.store.dtype, device=facts.device).masked_fill_(beyond, -torch.inf)
    neighbours = rows[-1] - rows[0] == len(rows) - 1
    return Speakers(
        span=span,
        rows=slice(rows[0], rows[-1] + 1) if neighbours else facts[3, span],
        most_cached=most,
        bias=None if bias is None else bias[:, None, None],
        shares=any(passenger.shared for passenger in passengers),
    )


def _stretch(chunk: Chunk, start: int, device: torch.device) -> Stretch:
    passenger, seen = chunk.passenger, None
    cached, end = passenger.cached, passenger.cached + chunk.count
    if cached:
        seen = torch.arange(end, device=device) <= torch.arange(cached, end, device=device)[:, None]
    span = slice(start, start + chunk.count)
    return Stretch(span, passenger.row, end - passenger.shared, seen, passenger.prefix, passenger.shared)


def _audiences(chunks: Sequence[Chunk], device: torch.device) -> Iterator[Audience]:
    """Who reads which prefix: those who speak, by prefix and by how much of it."""
    found: dict[tuple[Prefix, int], list[int]] = {}
    place = 0
    for chunk in chunks:
        if chunk.passenger.prefix is not None and chunk.passenger.said:
            found.setdefault((chunk.passenger.prefix, chunk.passenger.shared), []).append(place)
        place += chunk.count
    for (prefix, shared), tokens in found.items():
        neighbours = tokens[-1] - tokens[0] == len(tokens) - 1
        span = slice(tokens[0], tokens[-1] + 1)
        yield Audience(prefix, shared, span if neighbours else torch.tensor(tokens, device=device))
