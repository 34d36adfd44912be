"""JSON schemas that answers are held to: which are taken, and whether a value fits one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

MOST_CHARACTERS = 65_536
"""A schema stands in its prompt."""

SchemaLike = Mapping[str, Any] | type[BaseModel]


def schema_of(given: Any) -> Any:
    """The JSON schema of a pydantic model; whatever else is given comes back as it is."""
    if isinstance(given, type) and issubclass(given, BaseModel):
        return given.model_json_schema()
    return given


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises ValueError for a schema that no answer can be held to, and says why."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if len(json.dumps(schema)) > MOST_CHARACTERS:
        raise ValueError(f"the schema has more than {MOST_CHARACTERS} characters")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"not a JSON schema: {error.json_path}: {error.message}") from None
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise ValueError(f"$ref {reference!r} leads out of the schema; put what it names under $defs")


def misfit(value: Any, schema: Mapping[str, Any]) -> str | None:
    """Why a value is not of the schema; None where it is."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from referencing import Registry

    # An empty registry: nothing is ever fetched.
    worst = best_match(Draft202012Validator(schema, registry=Registry()).iter_errors(value))
    return None if worst is None else f"{worst.json_path}: {worst.message}"


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)
