"""Fingerprints: the same object, asked the same by the same model, has the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from reelmill.ledger.text import to_json
from reelmill.schema import Caption, PrefixSpec

PROMPTS_VERSION = 1
"""Raised with every change of the words around a user's question; a test holds it to them."""
SUMMARIES_VERSION = 1
"""The same of the words around captions that are summed up; it counts where a summary is asked for."""

# Whatever else stands in the model's row counts: checkpoint, revision, family, dtype, and what later columns add.
# Nulls are left out, so that a new column does not make an archive new.
MODEL_IDENTITY = """
    (SELECT jsonb_strip_nulls(to_jsonb(models) - '{name,first_served_at,last_served_at}'::text[])
     FROM models WHERE models.name = scans.model)
"""

# What an incremental run takes for done: it was answered, or it failed for a reason that lies in itself. Not that
# storage refused it, or that its tries ran out.
ANSWERED = """
    (state = 'succeeded' OR state = 'failed' AND transient_failures < max_attempts
     AND error_code NOT IN ('object_not_found', 'object_changed', 'access_denied', 'outside_file_roots'))
"""


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object as a listing tells it: its URI and the version that was there."""

    uri: str
    etag: str | None
    size_bytes: int | None
    version_id: str | None = None


class Fingerprints:
    """Makes the fingerprints of one scan: 128 bits of SHA-256.

    Of the object counts its URI and version; with `dedupe="content"` its ETag and size instead, so that the same
    content has the same fingerprint at any key.

    Args:
        model: what the ledger knows of the served model (MODEL_IDENTITY).
    """

    def __init__(self, spec: PrefixSpec, model: Mapping[str, Any] | None) -> None:
        # What is not set is left out: a new setting that defaults to None must not make an archive new.
        asked = spec.model_dump(mode="json", include={"tasks", "sampling", "generation"}, exclude_none=True)
        summed_up = any(isinstance(task, Caption) and task.summary for task in spec.tasks)
        versions = [SUMMARIES_VERSION] if summed_up else []
        settings = to_json([PROMPTS_VERSION, asked, sorted((model or {}).items()), *versions])
        self._settings = hashlib.sha256(settings.encode())
        self._of_content = spec.dedupe == "content"

    def of(self, found: FoundObject) -> UUID:
        """The fingerprint of the job that this object would become."""
        content = [found.etag, found.size_bytes]
        parts = content if self._of_content else [found.uri, *content, found.version_id]
        digest = self._settings.copy()
        digest.update(to_json(parts).encode("utf-8", "replace"))
        return UUID(bytes=digest.digest()[:16])
