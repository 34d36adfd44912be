"""Guides: what may be said next. They hold an answer to a JSON schema, or lead it along a text to weigh it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from transformers import LogitsProcessor

_NEVER = -math.inf


class Guide(Protocol):
    """Looks at each token before it is picked. Used by the engine's thread, for one request."""

    @property
    def log_likelihood(self) -> float | None:
        """Of a weighed answer, in natural logarithms."""
        ...

    def __call__(self, said: Sequence[int], scores: torch.Tensor) -> torch.Tensor:
        """`scores` [vocabulary] behind `said`, -inf where a token must not follow. What was said may start over."""
        ...


class WeighingGuide:
    """Leads along `ids` and adds up how likely each of them was."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = tuple(ids)
        self._likely: dict[int, float] = {}

    @property
    def log_likelihood(self) -> float | None:
        return math.fsum(self._likely.values())

    def __call__(self, said: Sequence[int], scores: torch.Tensor) -> torch.Tensor:
        place = len(said)
        if place >= len(self._ids):
            return scores
        token = self._ids[place]
        # By place, so that an answer that is tried again counts once.
        self._likely[place] = float(scores.float().log_softmax(-1)[token])
        return _only(scores, token)


class SchemaGuide:
    """Lets through what llguidance's matcher of the schema lets through."""

    log_likelihood = None

    def __init__(self, matcher: Any, stop_id: int) -> None:
        self._matcher, self._stop_id = matcher, stop_id
        self._known: list[int] = []

    def __call__(self, said: Sequence[int], scores: torch.Tensor) -> torch.Tensor:
        self._follow(list(said))
        if self._stop_id in said:
            return scores
        if self._matcher.is_error():
            # A limit of the matcher: the answer ends here and is found not to fit, its neighbours go on.
            return _only(scores, self._stop_id)
        allowed = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8).bool()
        barred = torch.ones(scores.shape[-1], dtype=torch.bool)
        count = min(len(allowed), len(barred))
        barred[:count] = ~allowed[:count]
        return scores.masked_fill(barred.to(scores.device), _NEVER)

    def _follow(self, said: list[int]) -> None:
        if said[: len(self._known)] != self._known:
            self._matcher.reset()
            self._known = []
        fresh = said[len(self._known) :]
        if fresh and not self._matcher.is_stopped():
            self._matcher.consume_tokens(fresh)
        self._known = said


class RowGuides(LogitsProcessor):  # type: ignore[misc]
    """The guides of a batch on `generate`: of each row, whose beams lie next to each other."""

    def __init__(self, guides: Sequence[Guide | None]) -> None:
        self._guides = guides

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        beams = len(input_ids) // len(self._guides)
        guided = scores.clone()
        for row, said in enumerate(input_ids.tolist()):
            guide = self._guides[row // beams]
            if guide is not None:
                guided[row] = guide(said, scores[row])
        return guided


def _only(scores: torch.Tensor, token: int) -> torch.Tensor:
    only = torch.full_like(scores, _NEVER)
    only[token] = 0.0
    return only
