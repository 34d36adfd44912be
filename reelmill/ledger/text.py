"""Making values fit for Postgres."""

from __future__ import annotations

import json
import math
from typing import Any


def clean(text: str) -> str:
    """The text without what Postgres refuses: NUL is dropped, half a surrogate pair becomes "?"."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def clean_or_none(text: str | None) -> str | None:
    """`clean`, passing None through."""
    return None if text is None else clean(text)


def clean_json(value: Any) -> Any:
    """A JSON value with all its texts cleaned: JSON may say NUL, JSONB may not."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): clean_json(item) for key, item in value.items()}
    return value


def finite(number: float | None) -> float | None:
    """The number, or None where a container said infinity or nonsense."""
    return number if number is not None and math.isfinite(number) else None


def to_json(value: Any) -> str:
    """Compact JSON in UTF-8; raises ValueError for NaN, which JSON does not have."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
