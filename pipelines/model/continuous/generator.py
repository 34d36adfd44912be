"""Continuous batching: prompts of ids in, a token of each out per step, on a stock causal language model."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.generation.continuous_batching.cache import FULL_ATTENTION, group_layers_by_attn_type

from pipelines.model.continuous.budget import Budget
from pipelines.model.continuous.cache import Cache
from pipelines.model.continuous.decoder import Decoder
from pipelines.model.continuous.passenger import Passenger
from pipelines.model.continuous.plan import Chunk, Plan, plan, schedule
from pipelines.model.continuous.sampling import Choice
from pipelines.model.continuous.slab import CacheShape
from pipelines.model.guide import Guide
from pipelines.model.quantization import shared_tensors
from reelmill.schema.tasks import Generation


@dataclass(frozen=True, slots=True)
class Output:
    """A token that a request said, the stop token included."""

    name: str
    token_id: int
    finished: bool


class Generator:
    """Generates from id prompts over one cache. After an exception of any method only `close` is left.

    Its owner takes the steps, so that between two of them nothing runs. A prompt that begins like an earlier one takes
    over what was computed then. A request has its room in the cache before it starts, so nobody ever has to step back.
    """

    def __init__(self, language_model: Any, stop_id: int, budget: Budget) -> None:
        self._decode, self._stop_id = Decoder(language_model), stop_id
        self._shape = CacheShape.of(language_model)
        self._step_tokens, self._most = budget.step_tokens, min(budget.requests, budget.step_tokens)
        self._cache = Cache(self._shape, budget.cache_tokens, budget.prefix_tokens)
        self._full = False
        self._waiting: deque[Passenger] = deque()
        self._running: list[Passenger] = []

    def add(
        self, name: str, ids: Sequence[int], settings: Generation, max_new_tokens: int, guide: Guide | None = None
    ) -> None:
        """Queue a prompt; prompt and answer must fit into the cache."""
        choice = Choice.of(settings, self._shape.device, guide)
        self._waiting.append(Passenger(name, list(ids), max_new_tokens, choice))

    def cancel(self, name: str) -> None:
        """Forget a request: nothing is said of it any more."""
        self._waiting = deque(passenger for passenger in self._waiting if passenger.name != name)
        self._full = False
        for passenger in [passenger for passenger in self._running if passenger.name == name]:
            self._leave(passenger)

    def step(self) -> list[Output]:
        """Schedule, run and update once.

        Raises:
            torch.OutOfMemoryError, and whatever else the device raises.
        """
        self._seat()
        chunks = schedule(self._running, self._step_tokens)
        if not chunks:
            return []
        planned = plan(chunks, self._shape.device)
        logits = self._run(planned, chunks)
        return self._update(planned, chunks, logits)

    def forget_prefixes(self) -> None:
        """Let no later prompt find what was computed before."""
        self._cache.forget_prefixes()

    def close(self) -> None:
        """Give the cache's memory back."""
        self._waiting.clear()
        self._running.clear()
        self._cache = Cache(self._shape, 0, 0)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _seat(self) -> None:
        """Let those start who find room, in their order; where there was none, there is once somebody left."""
        while self._waiting and len(self._running) < self._most and not self._full:
            self._full = not self._cache.seat(self._waiting[0])
            if not self._full:
                self._running.append(self._waiting.popleft())

    @torch.inference_mode()
    def _run(self, planned: Plan, chunks: Sequence[Chunk]) -> torch.Tensor:
        """[requests that say a token, vocabulary]"""
        return self._decode(planned)

    @torch.inference_mode()
    def _update(self, planned: Plan, chunks: Sequence[Chunk], logits: torch.Tensor) -> list[Output]:
        for chunk in chunks:
            chunk.passenger.cached += chunk.count
        likeliest = logits.argmax(-1).tolist()
        return [self._said(chunk.passenger, likeliest[row], logits, row) for row, chunk in enumerate(planned.chunks)]

    def _said(self, passenger: Passenger, likeliest: int, logits: torch.Tensor, row: int) -> Output:
        if not passenger.said:
            self._cache.keep(passenger)
        token = likeliest if passenger.choice is None else passenger.choice(passenger.said, logits[row])
        passenger.said.append(token)
        finished = token == self._stop_id or len(passenger.said) == passenger.max_new_tokens
        if finished:
            self._leave(passenger)
        return Output(passenger.name, token, finished)

    def _leave(self, passenger: Passenger) -> None:
        self._running.remove(passenger)
        self._cache.leave(passenger)
        self._full = False


def can_serve(language_model: Any) -> bool:
    """Whether every layer of a model looks back at everything: a window that slides is not in here."""
    return list(group_layers_by_attn_type(language_model.config)) == [FULL_ATTENTION]


def twin(language_model: Any) -> Any:
    """The same weights under a config, rotary state and embedding layer of their own."""
    copied = copy.deepcopy(language_model, {id(shared): shared for shared in shared_tensors(language_model)})
    window = getattr(copied.config, "sliding_window", None)
    if window is not None and window >= copied.config.max_position_embeddings:
        copied.config.sliding_window = None  # nothing slides
    return copied
