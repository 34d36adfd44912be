"""reelmill turns archives of images and videos into SQL rows."""

from typing import TYPE_CHECKING, Any

from reelmill.errors import (
    ArchiveError,
    ArchiveUnavailableError,
    BrokerUnavailableError,
    CronError,
    DatabaseForbiddenError,
    DatabaseUnavailableError,
    EmbeddedServicesError,
    ExportError,
    ManifestError,
    MissingExtraError,
    NameTakenError,
    NoResultsError,
    NotFoundError,
    PictureError,
    ScanStalledError,
    ScheduleBusyError,
    SchemaOutOfDateError,
    SettingsError,
    SpecError,
    UnknownModelError,
    UnknownSchemeError,
    UnknownTimezoneError,
    WaitTimeoutError,
)
from reelmill.schema import (
    AnswerResult,
    Ask,
    Box,
    Caption,
    CaptionResult,
    FrameRef,
    Generated,
    Generation,
    Ground,
    GroundingResult,
    JobSpec,
    JobState,
    MediaFacts,
    PrefixSpec,
    ReelmillError,
    Sampling,
    ScanState,
    SegmentResult,
    StageTimes,
    SummaryResult,
    Task,
)

if TYPE_CHECKING:
    from reelmill.archive.preview import PrefixPreview
    from reelmill.async_batch import AsyncBatch
    from reelmill.async_client import AsyncClient
    from reelmill.async_job import AsyncJob
    from reelmill.async_schedule import AsyncSchedule
    from reelmill.batch import Batch
    from reelmill.client import Client
    from reelmill.frame import Frame
    from reelmill.job import Job
    from reelmill.job_results import JobResults, StoredMedia
    from reelmill.ledger.exports import ExportedFile, ExportView
    from reelmill.ledger.forget import ForgetReport
    from reelmill.ledger.imports import ImportedLine
    from reelmill.ledger.notifications import NotificationView
    from reelmill.ledger.purge import PurgeReport
    from reelmill.ledger.scans import ScanCounts, ScanView
    from reelmill.ledger.schedule_history import ScheduleRun
    from reelmill.ledger.schedules import ScheduleView
    from reelmill.ledger.search import SearchHit
    from reelmill.ledger.stages import BatchStages
    from reelmill.ledger.views import AttemptView, BatchState, BatchStatus, BatchView, JobError, JobView
    from reelmill.ledger.workers import WorkerView
    from reelmill.rows import ResultRow
    from reelmill.schedule import Schedule
    from reelmill.schema.schedule import CatchUp, Overlap

__version__ = "0.1.0"

__all__ = [
    "AnswerResult",
    "ArchiveError",
    "ArchiveUnavailableError",
    "Ask",
    "AsyncBatch",
    "AsyncClient",
    "AsyncJob",
    "AsyncSchedule",
    "AttemptView",
    "Batch",
    "BatchStages",
    "BatchState",
    "BatchStatus",
    "BatchView",
    "Box",
    "BrokerUnavailableError",
    "Caption",
    "CaptionResult",
    "CatchUp",
    "Client",
    "CronError",
    "DatabaseForbiddenError",
    "DatabaseUnavailableError",
    "EmbeddedServicesError",
    "ExportError",
    "ExportView",
    "ExportedFile",
    "ForgetReport",
    "Frame",
    "FrameRef",
    "Generated",
    "Generation",
    "Ground",
    "GroundingResult",
    "ImportedLine",
    "Job",
    "JobError",
    "JobResults",
    "JobSpec",
    "JobState",
    "JobView",
    "ManifestError",
    "MediaFacts",
    "MissingExtraError",
    "NameTakenError",
    "NoResultsError",
    "NotFoundError",
    "NotificationView",
    "Overlap",
    "PictureError",
    "PrefixPreview",
    "PrefixSpec",
    "PurgeReport",
    "ReelmillError",
    "ResultRow",
    "Sampling",
    "ScanCounts",
    "ScanStalledError",
    "ScanState",
    "ScanView",
    "Schedule",
    "ScheduleBusyError",
    "ScheduleRun",
    "ScheduleView",
    "SchemaOutOfDateError",
    "SearchHit",
    "SegmentResult",
    "SettingsError",
    "SpecError",
    "StageTimes",
    "StoredMedia",
    "SummaryResult",
    "Task",
    "UnknownModelError",
    "UnknownSchemeError",
    "UnknownTimezoneError",
    "WaitTimeoutError",
    "WorkerView",
]

# Looked up when first used: decoder processes import the schema alone, and should not carry a database driver.
_ON_DEMAND = {
    "AsyncBatch": "reelmill.async_batch",
    "AsyncClient": "reelmill.async_client",
    "AsyncJob": "reelmill.async_job",
    "AsyncSchedule": "reelmill.async_schedule",
    "Batch": "reelmill.batch",
    "Client": "reelmill.client",
    **dict.fromkeys(("ExportedFile", "ExportView"), "reelmill.ledger.exports"),
    "ForgetReport": "reelmill.ledger.forget",
    "Frame": "reelmill.frame",
    "ImportedLine": "reelmill.ledger.imports",
    "Job": "reelmill.job",
    "PrefixPreview": "reelmill.archive.preview",
    "NotificationView": "reelmill.ledger.notifications",
    "PurgeReport": "reelmill.ledger.purge",
    "ResultRow": "reelmill.rows",
    "Schedule": "reelmill.schedule",
    "ScheduleRun": "reelmill.ledger.schedule_history",
    "ScheduleView": "reelmill.ledger.schedules",
    "BatchStages": "reelmill.ledger.stages",
    "SearchHit": "reelmill.ledger.search",
    "WorkerView": "reelmill.ledger.workers",
    **dict.fromkeys(("CatchUp", "Overlap"), "reelmill.schema.schedule"),
    **dict.fromkeys(("ScanCounts", "ScanView"), "reelmill.ledger.scans"),
    **dict.fromkeys(("JobResults", "StoredMedia"), "reelmill.job_results"),
    **dict.fromkeys(
        ("AttemptView", "BatchState", "BatchStatus", "BatchView", "JobError", "JobView"), "reelmill.ledger.views"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ON_DEMAND[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
