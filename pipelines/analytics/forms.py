"""Answers in the form that was asked for: words, JSON of a schema, or one of several choices."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from pipelines.analytics.dialogue import generated
from pipelines.model.types import Completion
from reelmill.schema import AnswerResult, Ask
from reelmill.schema.json_schemas import misfit

_UNLIKELY = "none of the choices is anything that the model is likely to say"


class _NoValueError(ValueError):
    """An answer that is not of its schema; the message says why."""


def observed(segment: int, task_index: int, ordinal: int, task: Ask, said: Sequence[Completion]) -> AnswerResult:
    """The answer to one question: of one completion, or of one for each choice."""
    question = task.questions[ordinal]
    if task.choices is not None:
        return _chosen(AnswerResult(segment, task_index, ordinal, question, generated(said[0])), task.choices, said)
    answer = AnswerResult(segment, task_index, ordinal, question, generated(said[0]))
    if task.json_schema is None:
        return answer
    try:
        return replace(answer, value=_value(said[0], task.json_schema))
    except _NoValueError as error:
        return replace(answer, problem=str(error))


def shares(log_likelihoods: Sequence[float]) -> list[float]:
    """Probabilities that sum to 1, in the proportion of these likelihoods; all 0 where each is impossible."""
    highest = max(log_likelihoods)
    if highest == -math.inf:
        return [0.0] * len(log_likelihoods)
    weights = [math.exp(each - highest) for each in log_likelihoods]
    return [weight / math.fsum(weights) for weight in weights]


def _chosen(answer: AnswerResult, choices: Sequence[str], said: Sequence[Completion]) -> AnswerResult:
    """The likeliest choice; all were weighed behind one prompt, which counts once."""
    likelihoods = [-math.inf if each.log_likelihood is None else each.log_likelihood for each in said]
    probabilities = dict(zip(choices, shares(likelihoods), strict=True))
    if not any(probabilities.values()):
        return replace(answer, generated=replace(answer.generated, text=""), problem=_UNLIKELY)
    best = max(choices, key=probabilities.__getitem__)
    words = replace(
        generated(said[choices.index(best)]), text=best, output_tokens=sum(each.output_tokens for each in said)
    )
    return replace(answer, generated=words, probabilities=probabilities)


def _value(completion: Completion, schema: Mapping[str, Any]) -> Any:
    """The JSON that was said. Raises _NoValueError."""
    if completion.finish_reason == "length":
        raise _NoValueError("cut off at max_new_tokens")
    try:
        value = json.loads(completion.text, parse_constant=_refuse, parse_float=_finite)
    except ValueError as error:
        raise _NoValueError(f"not JSON: {error}") from None
    problem = misfit(value, schema)
    if problem is not None:
        raise _NoValueError(f"not of the schema: {problem}")
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
