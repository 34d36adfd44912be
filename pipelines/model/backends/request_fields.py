"""Generation settings as fields of a chat completion request."""

from __future__ import annotations

from typing import Any

from pipelines.errors import PromptError
from reelmill.schema.tasks import Generation


def request_fields(generation: Generation) -> dict[str, Any]:
    """Fields of the OpenAI interface, and those beyond it only where the settings need them.

    `top_k` and `repetition_penalty` are known to vLLM, LMDeploy and most others; a server that does not know them
    refuses them, and the error says so: they are never dropped in silence.

    Raises:
        PromptError: beam search.
    """
    if generation.num_beams > 1:
        raise PromptError(
            "beam search is not to be had through a server", next_step="Leave num_beams at 1, or use transformers"
        )
    fields: dict[str, Any] = {"max_tokens": generation.max_new_tokens, "temperature": 0.0}
    if generation.do_sample:
        fields |= {"temperature": generation.temperature, "top_p": generation.top_p}
        if generation.top_k:
            fields["top_k"] = generation.top_k
    if generation.stop:
        fields["stop"] = list(generation.stop)
    if generation.seed is not None:
        fields["seed"] = generation.seed
    if generation.repetition_penalty != 1.0:
        fields["repetition_penalty"] = generation.repetition_penalty
    return fields
