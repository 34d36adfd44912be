"""Generation settings as fields of a chat completion request."""

from __future__ import annotations

import json
from typing import Any

from pipelines.errors import PromptError
from pipelines.model.types import ChatRequest
from reelmill.schema.tasks import Generation

MOST_ALTERNATIVES = 20
"""Of the first token's alternatives, as many as the interface tells."""


def form_fields(request: ChatRequest) -> dict[str, Any]:
    """Fields that hold the answer to a schema, or that tell how likely its first token was."""
    if request.weighed is not None:
        return {"max_tokens": 1, "temperature": 0.0, "logprobs": True, "top_logprobs": MOST_ALTERNATIVES}
    if request.json_schema is not None:
        schema = {"name": "answer", "schema": json.loads(request.json_schema)}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {}


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
