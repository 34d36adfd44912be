"""JSON files whose missing or mistyped keys are errors that name the file and the key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pipelines.errors import CheckpointError

T = TypeVar("T")


class Section:
    """A JSON object of a file. Every reading method raises CheckpointError for a value of another type."""

    def __init__(self, data: Mapping[str, Any], file: Path, prefix: str = "") -> None:
        self._data = data
        self._file = file
        self._prefix = prefix

    def need(self, key: str, kind: type[T]) -> T:
        """The value; a missing key is an error."""
        if key not in self._data:
            raise CheckpointError(f"has no `{self._prefix}{key}`", subject=str(self._file))
        return self._typed(key, self._data[key], kind)

    def get(self, key: str, kind: type[T], default: T) -> T:
        """The value; `default` where it is missing or null."""
        value = self._data.get(key)
        return default if value is None else self._typed(key, value, kind)

    def count(self, key: str, default: int | None = None) -> int:
        """A whole number above zero; without a default, a missing key is an error."""
        value = self.need(key, int) if default is None else self.get(key, int, default)
        if value < 1:
            raise self.refuse(key, f"is {value}, not above zero")
        return value

    def side(self, key: str) -> int:
        """A length in pixels, written as one number or as two equal ones."""
        value = self._data.get(key)
        if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
            return self._typed(key, value[0], int)
        return self.count(key)

    def section(self, key: str) -> Section:
        """The object under a key that must be there."""
        return Section(self.need(key, dict), self._file, f"{self._prefix}{key}.")

    def optional(self, key: str) -> Section | None:
        """The object under a key, None where it is missing or null."""
        return None if self._data.get(key) is None else self.section(key)

    def has(self, key: str) -> bool:
        """Whether there is a value that is not null."""
        return self._data.get(key) is not None

    def beside(self, name: str) -> Path:
        """Another file of the same directory."""
        return self._file.with_name(name)

    def refuse(self, key: str, reason: str) -> CheckpointError:
        """The error that names the file and the key."""
        return CheckpointError(f"`{self._prefix}{key}` {reason}", subject=str(self._file))

    def _typed(self, key: str, value: object, kind: type[T]) -> T:
        if kind is float and type(value) is int:
            return kind(value)  # type: ignore[call-arg]
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise self.refuse(key, f"is {value!r}, not {kind.__name__}")
        return value


def read_object(file: Path) -> Mapping[str, Any]:
    """The JSON object in `file`.

    Raises:
        CheckpointError: no such file, or it holds none.
    """
    try:
        data = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"there is no {file.name}", subject=str(file.parent)) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot be read as JSON ({error})", subject=str(file)) from error
    if not isinstance(data, dict):
        raise CheckpointError("is not a JSON object", subject=str(file))
    return data
