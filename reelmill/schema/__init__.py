"""The words of reelmill as types: tasks, jobs, results. Imports nothing heavier than pydantic."""

from reelmill.schema.archive import PrefixSpec, ScanState
from reelmill.schema.errors import ReelmillError
from reelmill.schema.job import DEFAULT_MODEL, JobSpec, JobState
from reelmill.schema.results import (
    AnswerResult,
    Box,
    CaptionResult,
    FrameRef,
    Generated,
    GroundingResult,
    JobResult,
    MediaFacts,
    MediaKind,
    SegmentResult,
    StageTimes,
    SummaryResult,
)
from reelmill.schema.tasks import Ask, Caption, Generation, Ground, Sampling, Task

__all__ = [
    "DEFAULT_MODEL",
    "AnswerResult",
    "Ask",
    "Box",
    "Caption",
    "CaptionResult",
    "FrameRef",
    "Generated",
    "Generation",
    "Ground",
    "GroundingResult",
    "JobResult",
    "JobSpec",
    "JobState",
    "MediaFacts",
    "MediaKind",
    "PrefixSpec",
    "ReelmillError",
    "Sampling",
    "ScanState",
    "SegmentResult",
    "StageTimes",
    "SummaryResult",
    "Task",
]
