"""How likely an answer is, by what a server tells of the first token."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pipelines.errors import PromptError
from pipelines.model.types import Weighed


def first_token_likelihood(first_tokens: Mapping[str, float] | None, weighed: Weighed) -> float:
    """The logarithm of the probability that the answer begins as this one does and as none of the others do.

    Args:
        first_tokens: the likeliest first tokens, with the logarithms of their probabilities.

    Returns -inf where no such token is among them.

    Raises:
        PromptError: the server tells none, or one of them begins this answer and another one too.
    """
    if not first_tokens:
        raise PromptError(
            "the server does not tell how likely its tokens are, so choices cannot be weighed",
            next_step="Let it give logprobs, ask for a schema with an enum, or use the transformers backend",
        )
    starts = {token: likely for token, likely in first_tokens.items() if _begins(token, weighed.answer)}
    for token in starts:
        shared = [other for other in weighed.among if other != weighed.answer and _begins(token, other)]
        if shared:
            raise PromptError(
                f"{weighed.answer!r} and {shared[0]!r} begin with the same token {token!r}, all that a server tells",
                next_step="Choose words that begin differently, or use the transformers backend",
            )
    return math.log(math.fsum(map(math.exp, starts.values()))) if starts else -math.inf


def _begins(token: str, answer: str) -> bool:
    word = token.strip()
    return bool(word) and answer.startswith(word)
