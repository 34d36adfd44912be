"""Left-padded generation from embeddings: one call for several prompts of different lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from pipelines.errors import PromptError
from pipelines.model.guide import Guide, RowGuides
from pipelines.model.reader import Reader
from pipelines.model.repetition import loops
from pipelines.model.rope import reset_rope
from pipelines.model.streaming import Listener
from reelmill.schema.tasks import Generation


@dataclass(frozen=True, slots=True)
class RowLimits:
    """What ends rows of a batch before the stop token does.

    Attributes:
        max_new_tokens: one per row.
        cancelled: asked for every row between tokens.
        readers: of each row; `stop` texts and loops end it. None of a beam search: what it says may still change.
        listeners: of each of them; they hear what is certain between tokens.
        guides: of each row; what they say must not follow does not.
    """

    max_new_tokens: tuple[int, ...]
    cancelled: Callable[[int], bool]
    readers: tuple[Reader, ...] = ()
    listeners: tuple[Listener | None, ...] = ()
    guides: tuple[Guide | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """Embeddings of a batch: a tensor [tokens, hidden] per prompt."""

    rows: tuple[torch.Tensor, ...]

    def padded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings [batch, longest, hidden] with zeros on the left, and the mask [batch, longest] of what is real."""
        longest = max(len(row) for row in self.rows)
        embeddings = self.rows[0].new_zeros(len(self.rows), longest, self.rows[0].shape[-1])
        mask = torch.zeros(len(self.rows), longest, dtype=torch.long, device=embeddings.device)
        for index, row in enumerate(self.rows):
            embeddings[index, longest - len(row) :] = row
            mask[index, longest - len(row) :] = 1
        return embeddings, mask


class _RowStop(StoppingCriteria):  # type: ignore[misc]
    """Ends single rows of a batch; with beams, a prompt's beams end together.

    `most` is how many tokens each row has at most; less once it stopped, because `generate` fills it up behind that.
    """

    def __init__(self, limits: RowLimits) -> None:
        self._limits = limits
        self.most = list(limits.max_new_tokens)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        generated = input_ids.shape[1]
        for row, reader in enumerate(self._limits.readers):
            if generated < self.most[row] and _ends(reader, input_ids[row].tolist()):
                self.most[row] = generated
        done = [self._limits.cancelled(row) or generated >= most for row, most in enumerate(self.most)]
        heard = zip(input_ids, self._limits.readers, self._limits.listeners, done, strict=False)
        for ids, reader, listener, ended in heard:
            if listener is not None and not ended:  # whoever ends here hears the whole answer elsewhere
                listener.hear(reader.so_far(ids.tolist()))
        return torch.tensor(done, device=input_ids.device).repeat_interleave(len(input_ids) // len(done))


def _ends(reader: Reader, ids: list[int]) -> bool:
    return reader.just_stopped(ids) or loops(ids)


def generate(
    language_model: Any,
    prompts: Prompts,
    config: GenerationConfig,
    limits: RowLimits | None = None,
    streamer: Any = None,
) -> list[list[int]]:
    """What the model says to each prompt: its ids up to and including the stop token.

    Nothing of earlier prompts is left in the model. Where rope depends on length, the longest prompt of the batch
    decides for all of it, as published.

    Args:
        config: must name one `eos_token_id`.
        limits: what else ends single rows; a cancelled row's ids mean nothing.
        streamer: transformers' streamer, for a single prompt.
    """
    embeddings, mask = prompts.padded()
    reset_rope(language_model)
    stop = _RowStop(limits) if limits else None
    guided = [RowGuides(limits.guides)] if limits and any(limits.guides) else []
    with torch.inference_mode():
        output = language_model.generate(
            inputs_embeds=embeddings,
            attention_mask=mask,
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([stop] if stop else []),
            logits_processor=LogitsProcessorList(guided),
            streamer=streamer,
        )
    maxima = stop.most if stop else [output.shape[1]] * len(output)
    return [_until_stop(row[:most], config.eos_token_id) for row, most in zip(output.tolist(), maxima, strict=True)]


@contextmanager
def seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Random numbers that depend on `seed` alone; the process's own random state is left as it was."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def plain_options(settings: Generation) -> dict[str, Any]:
    """Our settings by transformers' names; those of sampling only where it is on."""
    options: dict[str, Any] = {
        "max_new_tokens": settings.max_new_tokens,
        "do_sample": settings.do_sample,
        "num_beams": settings.num_beams,
        "repetition_penalty": settings.repetition_penalty,
    }
    if settings.do_sample:
        options |= {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": settings.top_k}
    return options


def generation_config(options: Mapping[str, Any], stop_id: int) -> GenerationConfig:
    """transformers' settings from the dictionary that the published `chat` takes; only `stop_id` ends an answer.

    Raises:
        PromptError: a name that transformers does not know, or a value it refuses.
    """
    unknown = sorted(set(options) - set(GenerationConfig().to_dict()))
    if unknown:
        raise PromptError(f"generation_config has no setting {unknown[0]!r}")
    try:
        return GenerationConfig(
            **{**options, "eos_token_id": stop_id, "pad_token_id": stop_id, "use_cache": True},
        )
    except (ValueError, TypeError) as error:
        raise PromptError(f"generation_config is not usable: {error}") from error


def _until_stop(ids: Sequence[int], stop_id: int) -> list[int]:
    return list(ids[: ids.index(stop_id) + 1]) if stop_id in ids else list(ids)
