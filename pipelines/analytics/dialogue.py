"""What an analytic is: a generator that asks rounds of requests and ends with its observations."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from pipelines.model.types import ChatRequest, Completion
from reelmill.schema import Generated

ResultT = TypeVar("ResultT")
Dialogue = Generator[list[ChatRequest], list[Completion], list[ResultT]]
"""Yields the requests of one round, is sent their completions in the same order, returns observations."""


def generated(completion: Completion) -> Generated:
    """The part of a completion that becomes a row."""
    return Generated(
        text=completion.text,
        raw_text=completion.raw_text,
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        output_tokens=completion.output_tokens,
    )
