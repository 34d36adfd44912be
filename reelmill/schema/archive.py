"""An archive as it is submitted: which objects below a prefix, and what is asked of each of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from reelmill.schema.frozen import Frozen
from reelmill.schema.job import DEFAULT_MODEL
from reelmill.schema.tasks import Generation, Sampling, Task, check_summaries

MEDIA_NAMES = re.compile(
    r"\.(avif|bmp|dds|gif|ico|j2k|jfif|jp2|jpe?g|pbm|pgm|png|pnm|ppm|psd|qoi|tiff?|webp"
    r"|avi|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|mxf|ogv|ts|webm|wmv)$",
    re.IGNORECASE,
)
"""Looked at when no `include` is given. Names only choose; what a file is, is decided by its first bytes."""

Glob = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Dedupe = Literal["none", "content"]


class PrefixSpec(Frozen):
    """All objects below a prefix, and the template of their jobs. Stored with each scan, and by schedules.

    Attributes:
        prefix: `s3://bucket/start-of-keys` (a prefix as S3 means it: of the key's text), or `file:///directory`.
        include: patterns on the key below the prefix; one must match. `*` matches any characters, `/` too, as in the
            AWS command line; case matters. Media by their extensions (MEDIA_NAMES) when there is none.
        exclude: patterns of which none may match.
        since: only objects modified at this time or later; without a time zone it is UTC.
        min_bytes, max_bytes: only objects of such sizes.
        only_new: leave out objects whose fingerprint is queued, running, succeeded or failed for good. False works
            them again, except where the same is queued or running at this very moment.
        dedupe: "content" answers equal content (ETag and size) at several keys by one job; `duplicates` has the others.
        limit: accept at most so many jobs.

    The others are those of JobSpec.
    """

    prefix: Annotated[str, StringConstraints(min_length=1, max_length=2048)]
    tasks: tuple[Task, ...] = Field(min_length=1, max_length=64)
    sampling: Sampling = Sampling()
    generation: Generation = Generation()
    model: Annotated[str, StringConstraints(min_length=1, max_length=512)] = DEFAULT_MODEL
    priority: int = Field(default=0, ge=-32_768, le=32_767)
    max_attempts: int = Field(default=5, ge=1, le=100)
    labels: dict[str, str] = Field(default_factory=dict)
    include: tuple[Glob, ...] = ()
    exclude: tuple[Glob, ...] = ()
    since: datetime | None = None
    min_bytes: int | None = Field(default=None, ge=0)
    max_bytes: int | None = Field(default=None, ge=0)
    only_new: bool = True
    dedupe: Dedupe = "none"
    limit: int | None = Field(default=None, ge=1)

    @field_validator("prefix")
    @classmethod
    def _readable(cls, prefix: str) -> str:
        scheme, _, rest = prefix.partition("://")
        if scheme == "s3" and rest.partition("/")[0]:
            return prefix if "/" in rest else f"{prefix}/"
        if scheme == "file" and rest.startswith("/"):
            return "file://" + (rest.rstrip("/") or "/")
        raise ValueError("a prefix is s3://bucket, s3://bucket/start-of-keys or file:///directory")

    @field_validator("since")
    @classmethod
    def _with_zone(cls, since: datetime | None) -> datetime | None:
        return since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since

    @model_validator(mode="after")
    def _summaries_have_parts(self) -> Self:
        check_summaries(self.tasks, self.sampling)
        return self

    @model_validator(mode="after")
    def _content_is_known(self) -> Self:
        if self.dedupe == "content" and not self.prefix.startswith("s3://"):
            raise ValueError("only S3 tells without reading whether two objects have the same content")
        return self


class ScanState(StrEnum):
    """queued → running → succeeded | failed | cancelled, as jobs."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def done(self) -> bool:
        """Whether the scan has reached its end: no more jobs will come from it."""
        return self not in (ScanState.QUEUED, ScanState.RUNNING)
