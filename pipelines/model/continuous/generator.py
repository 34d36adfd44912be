"""transformers' continuous batching, stepped by its owner: a failed step is an exception here, not a dead thread."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.cache import FULL_ATTENTION, group_layers_by_attn_type

from pipelines.model.continuous.attention import use_paged_attention
from pipelines.model.continuous.budget import Budget


@dataclass(frozen=True, slots=True)
class Output:
    """What a request has said so far, the stop token included."""

    name: str
    token_ids: tuple[int, ...]
    finished: bool


class PagedGenerator:
    """Greedy generation of id prompts over one paged cache. After an exception of `step` only `close` is left.

    transformers' manager has a thread of its own, which an exception ends for good with every request in it. Here the
    caller takes its steps, so that between two of them nothing runs.
    """

    def __init__(self, language_model: Any, stop_id: int, budget: Budget) -> None:
        """`language_model` is the generator's alone: its attention is replaced (`twin` makes one)."""
        self._model = language_model
        language_model.set_attn_implementation("sdpa")  # what the manager accepts, and switches to flash where it is
        self._manager: Any = language_model.init_continuous_batching(
            GenerationConfig(do_sample=False, eos_token_id=stop_id, pad_token_id=stop_id),
            ContinuousBatchingConfig(
                page_size=budget.page_tokens,
                num_blocks=budget.pages,
                max_batch_tokens=budget.step_tokens,
                max_requests_per_batch=min(budget.requests, budget.step_tokens),
            ),
        )
        kinds = group_layers_by_attn_type(language_model.config)
        if language_model.config._attn_implementation == "sdpa" and list(kinds) == [FULL_ATTENTION]:
            use_paged_attention(language_model)
        # It would seed the whole process, and with it answers that others are sampling. What is greedy needs no seed.
        self._manager.distributed_helper.set_tp_seed = lambda *_: None
        self._manager.warmup()
        self._processor: Any = self._manager.batch_processor
        self._in_flight_step = not self._processor.use_async_batching

    def add(self, name: str, ids: Sequence[int], max_new_tokens: int, streaming: bool = False) -> None:
        """Queue a prompt. `streaming`: its outputs come token by token.

        Raises:
            RuntimeError: the manager takes nothing.
        """
        added = self._manager.add_request(
            list(ids), request_id=name, max_new_tokens=max_new_tokens, streaming=streaming
        )
        if added is None:
            raise RuntimeError("continuous batching takes no requests any more")

    def cancel(self, name: str) -> None:
        """Forget a request at the next step, which says nothing of it any more."""
        self._manager.cancel_request(name)

    def step(self) -> list[Output]:
        """Schedule, run and update once.

        Raises:
            torch.OutOfMemoryError, and whatever else the device raises.
        """
        if self._processor.prepare_next_batch():
            self._processor._generation_step(self._model)
            if self._in_flight_step:
                self._processor.update_batch()
            self._in_flight_step = True
        return self._outputs()

    def forget_prefixes(self) -> None:
        """Let no later prompt find what is in the cache, except what requests in flight still use."""
        self._processor.cache.evict_cached_blocks()

    def close(self) -> None:
        """Give the cache's memory back."""
        self._processor = self._manager = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _outputs(self) -> list[Output]:
        found = []
        while (output := self._manager.get_result()) is not None:
            if output.error is not None:
                raise RuntimeError(output.error)
            found.append(Output(output.request_id, tuple(output.generated_tokens), output.is_finished()))
        return found


def twin(language_model: Any) -> Any:
    """The same weights under a config, rotary state and embedding layer of their own."""
    copied = copy.deepcopy(language_model, {id(weight): weight for weight in language_model.parameters()})
    window = getattr(copied.config, "sliding_window", None)
    if window is not None and window >= copied.config.max_position_embeddings:
        copied.config.sliding_window = None  # nothing slides, but prefixes would not be shared
    return copied
