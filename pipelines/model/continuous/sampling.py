"""The next token of a request that does not simply take the likeliest: picked as by `generate`, from its own seed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from pipelines.model.guide import Guide
from reelmill.schema.tasks import Generation


class Choice:
    """Picks tokens by the settings and the guide of one request. With a seed, equal logits give equal tokens."""

    def __init__(self, settings: Generation, device: torch.device, guide: Guide | None = None) -> None:
        self._guide = guide
        self._processors = _processors(settings)
        self._do_sample = settings.do_sample
        self._random = torch.Generator(device)
        if settings.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(settings.seed)

    @classmethod
    def of(cls, settings: Generation, device: torch.device, guide: Guide | None = None) -> Choice | None:
        """None where the likeliest token is the choice."""
        plain = not settings.do_sample and settings.repetition_penalty == 1.0 and guide is None
        return None if plain else cls(settings, device, guide)

    def __call__(self, said: Sequence[int], logits: torch.Tensor) -> int:
        """The next token of logits [vocabulary]. Only what was said counts as repeated, not what was asked."""
        ids = torch.tensor([said], dtype=torch.long, device=logits.device)
        allowed = logits.float() if self._guide is None else self._guide(said, logits.float())
        scores = self._processors(ids, allowed[None])
        if not self._do_sample:
            return int(scores.argmax())
        return int(torch.multinomial(scores.softmax(-1), 1, generator=self._random))


def _processors(settings: Generation) -> LogitsProcessorList:
    """In the order of `generate`."""
    found = LogitsProcessorList()
    if settings.repetition_penalty != 1.0:
        found.append(RepetitionPenaltyLogitsProcessor(settings.repetition_penalty))
    if not settings.do_sample:
        return found
    if settings.temperature != 1.0:
        found.append(TemperatureLogitsWarper(settings.temperature))
    if settings.top_k:
        found.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1.0:
        found.append(TopPLogitsWarper(settings.top_p))
    return found
