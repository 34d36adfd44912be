"""What `submit_prefix` takes beside the prefix: the fields of PrefixSpec, as a user may write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Required, TypedDict

from reelmill.schema import Generation, Sampling, Task
from reelmill.schema.archive import Dedupe
from reelmill.schema.export import ExportFormat


class ExportOptions(TypedDict, total=False):
    """Where the batch leaves its results as files when it is done; see `Batch.export_to`."""

    export_to: str | None
    export_format: ExportFormat


class PrefixOptions(ExportOptions, total=False):
    """See PrefixSpec. `since` may be a date or ISO text too; without a time zone it is UTC."""

    tasks: Required[Task | Sequence[Task | Mapping[str, Any]]]
    include: Sequence[str]
    exclude: Sequence[str]
    since: datetime | date | str | None
    min_bytes: int | None
    max_bytes: int | None
    only_new: bool
    dedupe: Dedupe
    limit: int | None
    sampling: Sampling | Mapping[str, Any] | None
    generation: Generation | Mapping[str, Any] | None
    model: str
    priority: int
    labels: Mapping[str, str] | None
    max_attempts: int


class LineOptions(ExportOptions, total=False):
    """The template of a file's jobs; what a line says goes before it. See JobSpec."""

    tasks: Task | Sequence[Task | Mapping[str, Any]] | None
    sampling: Sampling | Mapping[str, Any] | None
    generation: Generation | Mapping[str, Any] | None
    model: str
    priority: int
    labels: Mapping[str, str] | None
    max_attempts: int


class OpenAIOptions(ExportOptions, total=False):
    """What an OpenAI batch file does not say. `model` goes before the lines' own. See JobSpec."""

    model: str | None
    sampling: Sampling | Mapping[str, Any] | None
    priority: int
    labels: Mapping[str, str] | None
    max_attempts: int
