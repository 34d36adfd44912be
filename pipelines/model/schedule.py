"""Which waiting requests are generated together. Knows nothing of tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from pipelines.cancellation import Cancellation
from pipelines.model.guide import Guide
from pipelines.model.rope import Stretch
from pipelines.model.streaming import Listener
from pipelines.model.types import Completion, VisualInput
from reelmill.schema.tasks import Generation

_LENGTH_RATIO = 2
"""Prompts of a batch are at most so many times longer or shorter than its oldest: padding is wasted work."""


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """A request on its way through the engine.

    Attributes:
        ids: the prompt, context tokens included.
        max_new_tokens: what was asked for, or what the window leaves.
        stretch: with which others its rotary embeddings are those that it has alone.
        submitted_at: of time.monotonic().
        listener: hears the answer while it is generated.
        guide: says what may be said next.
    """

    ids: tuple[int, ...]
    visual: VisualInput | None
    generation: Generation
    max_new_tokens: int
    cancellation: Cancellation | None
    future: Future[Completion]
    submitted_at: float
    stretch: Stretch = "within"
    listener: Listener | None = None
    guide: Guide | None = None

    @property
    def cancelled(self) -> bool:
        """Whether its answer is no longer wanted."""
        return self.cancellation is not None and self.cancellation.requested


def next_batch(waiting: Sequence[Ticket], most: int) -> list[Ticket]:
    """The oldest ticket, and up to `most` with it that can share its batch.

    Greedy requests with equal settings and prompts of similar length do. Where more wait than fit, those go along
    whose answers may be about as long as the oldest's: a batch runs until its longest answer ends. A sampled
    request runs alone, so that its seed alone decides; so do a beam search, and a request whose rotary embeddings
    follow its length.
    """
    if not waiting:
        return []
    oldest = waiting[0]
    if not _shares(oldest):
        return [oldest]
    mates = [ticket for ticket in waiting if _shares(ticket) and _fit(oldest, ticket)]
    chosen = set(sorted(mates, key=lambda ticket: _distance(oldest, ticket))[:most])
    return [ticket for ticket in mates if ticket in chosen]


def _distance(oldest: Ticket, other: Ticket) -> float:
    """How many times longer or shorter an answer may be; equals stay in the order of their age."""
    return 0.0 if other is oldest else abs(math.log(other.max_new_tokens / oldest.max_new_tokens))


def _shares(ticket: Ticket) -> bool:
    return ticket.stretch != "own" and not ticket.generation.do_sample and ticket.generation.num_beams == 1


def _fit(oldest: Ticket, other: Ticket) -> bool:
    shorter, longer = sorted((len(oldest.ids), len(other.ids)))
    equal = oldest.generation.repetition_penalty == other.generation.repetition_penalty
    return equal and oldest.stretch == other.stretch and longer <= _LENGTH_RATIO * shorter
