"""The base of all schema types: immutable, strict, and with errors that name the field."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic._internal._model_construction import ModelMetaclass  # type(BaseModel), under its own name for mypy

from reelmill.schema.errors import SpecError

_TASK_KINDS = ("caption", "ask", "ground")


def spec_error(error: ValidationError) -> SpecError:
    """Pydantic's first complaint as ours: `tasks[1].questions[0]: String should have at least 1 character`."""
    first = error.errors(include_url=False)[0]
    field, inner = _field(first["loc"]), first.get("ctx", {}).get("error")
    if isinstance(inner, SpecError):
        return SpecError(inner.message, subject=f"{field}.{inner.subject}")
    return SpecError(first["msg"].removeprefix("Value error, "), subject=field or error.title)


class _TypedErrors(ModelMetaclass):
    """A user who writes `Ask("")` gets our error. Inside another value it is one of pydantic's, with its path."""

    def __call__(self, *arguments: Any, **fields: Any) -> Any:
        try:
            return super().__call__(*arguments, **fields)
        except ValidationError as error:
            raise spec_error(error) from None


class Frozen(BaseModel, metaclass=_TypedErrors):
    """Immutable, and strict about unknown keys: a misspelt setting is an error, not a default.

    Raises:
        SpecError: on construction; names the field and the reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _field(path: tuple[int | str, ...]) -> str:
    """The path without the union tags that pydantic puts in: ("tasks", 0, "ask", "questions", 1)."""
    parts = [part for place, part in enumerate(path) if not (place == 2 and part in _TASK_KINDS)]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")
