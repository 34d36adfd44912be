"""The requests in flight: from a place in the visual vocabulary to the last token."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.model.continuous.budget import Budget
from pipelines.model.continuous.generator import Generator, Output, can_serve, twin
from pipelines.model.continuous.siblings import Siblings
from pipelines.model.continuous.slots import LAST_ID
from pipelines.model.continuous.vision import Look, Vision
from pipelines.model.continuous.visual_vocabulary import VisualVocabulary
from pipelines.model.internvl import InternVL
from pipelines.model.reader import Reader
from pipelines.model.repetition import loops
from pipelines.model.schedule import Ticket

_TILES_PER_PASS = 32
"""Tiles encoded between two tokens of those that are generating already."""


@dataclass(frozen=True, slots=True, eq=False)
class Landed:
    """A finished request. `started_at` of time.monotonic(); seconds of wall time."""

    ticket: Ticket
    token_ids: tuple[int, ...]
    started_at: float
    vision_s: float
    prefill_s: float
    generate_s: float


@dataclass(slots=True, eq=False)
class _Flying:
    look: Look
    reader: Reader
    started_at: float
    token_ids: list[int] = field(default_factory=list)
    vision_s: float = 0.0
    spoken_at: float | None = None
    """When its first token was there."""


class Flight:
    """What one engine generates now, used by its thread. After an exception of any method only `clear` is left."""

    def __init__(self, model: InternVL, budget: Budget, last_id: int = LAST_ID) -> None:
        self._model = model
        self._language_model = twin(model.network.language_model)
        words = self._language_model.get_input_embeddings()
        per_tile = model.info.tokens_per_tile
        tiles = max(1, budget.table_bytes // (per_tile * words.weight[0].nbytes))
        vocabulary = VisualVocabulary(words, tiles * per_tile)
        self._language_model.set_input_embeddings(vocabulary)
        self._stop_id = model.tokenizer.stop_id
        self._vision, self._siblings = Vision(model, vocabulary, last_id), Siblings()
        self._serves = can_serve(self._language_model)
        self._generator: Generator | None = None
        self._flying: dict[str, _Flying] = {}
        self._leaving: list[Look] = []
        self._names = map(str, itertools.count())

    @property
    def tickets(self) -> list[Ticket]:
        """Those in flight, oldest first."""
        return [flying.look.ticket for flying in self._flying.values()]

    @property
    def busy(self) -> bool:
        """Whether there is a step to take."""
        return bool(self._flying or self._leaving)

    def could_hold(self, tiles: int) -> bool:
        """Whether so many tiles fit into the visual vocabulary at all, and the model's layers into the cache."""
        return self._serves and self._vision.slots.fits(tiles)

    def board(self, waiting: Sequence[Ticket], budget: Budget) -> list[Ticket]:
        """Start those of `waiting` that can start now, in their order; nobody overtakes who waits for slots."""
        boarded: dict[str, _Flying] = {}
        tiles = 0
        for ticket in waiting:
            if len(self._flying) >= budget.requests or tiles >= _TILES_PER_PASS:
                break
            if not self._siblings.may_start(ticket):
                continue
            look = self._vision.take(ticket)
            if look is None:
                break
            if not (ticket.future.running() or ticket.future.set_running_or_notify_cancel()):
                self._vision.release(look)
                continue
            tiles += look.unwritten_tiles
            name = next(self._names)
            self._flying[name] = boarded[name] = _Flying(look, self._model.reader(ticket.generation), time.monotonic())
            self._siblings.started(ticket)
        self._start(boarded, budget)
        return [flying.look.ticket for flying in boarded.values()]

    def step(self) -> list[Landed]:
        """One token for everybody whose prompt is done, and what that finished."""
        if self._generator is None:
            return []
        outputs = self._generator.step()
        # Only now has the cache forgotten the cancelled, and their slots may get other content.
        for look in self._leaving:
            self._vision.release(look)
        self._leaving = []
        finished = [output.name for output in outputs if self._hear(output)]
        return [self._land(name) for name in finished]

    def drop(self, ticket: Ticket) -> None:
        """End a request that is no longer wanted."""
        name = next(name for name, flying in self._flying.items() if flying.look.ticket is ticket)
        self._forget(name)
        self._siblings.ended(ticket)
        self._leaving.append(self._flying.pop(name).look)

    def clear(self) -> None:
        """End everything, and give the memory of the cache back; features stay in the table."""
        for look in [*self._leaving, *(flying.look for flying in self._flying.values())]:
            self._vision.release(look)
        self._flying, self._leaving, self._siblings = {}, [], Siblings()
        generator, self._generator = self._generator, None
        if generator is not None:
            generator.close()

    def _start(self, boarded: dict[str, _Flying], budget: Budget) -> None:
        if not boarded:
            return
        self._vision.write([flying.look for flying in boarded.values()])
        encoded_at = time.monotonic()
        if self._generator is None:
            self._generator = Generator(self._language_model, self._stop_id, budget)
        if self._vision.slots.wrapped:
            self._generator.forget_prefixes()
            self._vision.slots.wrapped = False
        for name, flying in boarded.items():
            flying.vision_s = encoded_at - flying.started_at
            ticket = flying.look.ticket
            ids = self._vision.prompt(flying.look)
            self._generator.add(name, ids, ticket.generation, ticket.max_new_tokens, ticket.guide)

    def _hear(self, output: Output) -> bool:
        """Take a token; whether it was the last one."""
        flying = self._flying[output.name]
        flying.token_ids.append(output.token_id)
        if flying.spoken_at is None:
            flying.spoken_at = time.monotonic()
            self._siblings.prefilled(flying.look.ticket)
        if output.finished:
            return True
        if flying.reader.just_stopped(flying.token_ids) or loops(flying.token_ids):
            self._forget(output.name)
            return True
        if flying.look.ticket.listener is not None:
            flying.look.ticket.listener.hear(flying.reader.so_far(flying.token_ids))
        return False

    def _forget(self, name: str) -> None:
        """Give its place in the cache back before it said all that it may."""
        if self._generator is not None:
            self._generator.cancel(name)

    def _land(self, name: str) -> Landed:
        flying = self._flying.pop(name)
        ticket = flying.look.ticket
        self._siblings.ended(ticket)
        self._vision.release(flying.look)
        encoded_at, ended_at = flying.started_at + flying.vision_s, time.monotonic()
        spoken_at = flying.spoken_at or ended_at
        return Landed(
            ticket=ticket,
            token_ids=tuple(flying.token_ids),
            started_at=flying.started_at,
            vision_s=flying.vision_s,
            prefill_s=spoken_at - encoded_at,
            generate_s=ended_at - spoken_at,
        )
