"""A job as it is submitted, and the states that it goes through."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from reelmill.schema.frozen import Frozen
from reelmill.schema.tasks import Generation, Sampling, Task, check_summaries

Uri = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
DEFAULT_MODEL = "default"


class JobState(StrEnum):
    """queued → running → succeeded | failed | cancelled. Nothing else is visible to users."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def done(self) -> bool:
        """Whether the job has reached its end."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class JobSpec(Frozen):
    """One media object (or an ordered set of images) and what is asked of it.

    Attributes:
        media: URIs, `s3://bucket/key` or `file:///path`; several make one multi-image job.
        model: the name that a worker serves (`reelmill worker --served-model-name`).
        priority: higher first; equal priorities in the order of submission.
        max_attempts: how often a passing error (storage, database) is tried before the job fails.
        client_token: submitting the same token again returns the first job.
        labels: free key-value pairs for your own queries.
    """

    media: tuple[Uri, ...] = Field(min_length=1, max_length=256)
    tasks: tuple[Task, ...] = Field(min_length=1, max_length=64)
    sampling: Sampling = Sampling()
    generation: Generation = Generation()
    model: Annotated[str, StringConstraints(min_length=1, max_length=512)] = DEFAULT_MODEL
    priority: int = Field(default=0, ge=-32_768, le=32_767)
    max_attempts: int = Field(default=5, ge=1, le=100)
    client_token: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    labels: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _summaries_have_parts(self) -> Self:
        check_summaries(self.tasks, self.sampling)
        return self
