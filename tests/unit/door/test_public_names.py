"""What users may import, and that each name says what it is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

import reelmill

PUBLIC = [
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
    "SummaryResult",
    "StoredMedia",
    "Task",
    "UnknownModelError",
    "UnknownSchemeError",
    "UnknownTimezoneError",
    "WaitTimeoutError",
    "WorkerView",
]
AWAITED = {"AsyncClient": "Client", "AsyncBatch": "Batch", "AsyncJob": "Job", "AsyncSchedule": "Schedule"}


def public_members(kind: type) -> Iterator[str]:
    return (name for name, member in vars(kind).items() if not name.startswith("_") and _is_ours(member))


def _is_ours(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, property)


def test_the_public_names_are_these() -> None:
    assert sorted(reelmill.__all__) == sorted(PUBLIC)
    assert set(PUBLIC) <= set(dir(reelmill))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_can_be_had_and_is_documented(name: str) -> None:
    public = getattr(reelmill, name)
    if not inspect.isclass(public):
        return
    if issubclass(public, reelmill.ReelmillError):
        assert public.code != reelmill.ReelmillError.code or public is reelmill.ReelmillError
    else:
        # Not the signature that dataclasses write where nobody wrote anything.
        assert public.__doc__
        assert not public.__doc__.startswith(f"{name}(")
    silent = [member for member in public_members(public) if not getattr(public, member).__doc__]
    assert silent == []


@pytest.mark.parametrize(("awaited", "blocking"), AWAITED.items())
def test_asyncio_has_every_verb(awaited: str, blocking: str) -> None:
    theirs = set(public_members(getattr(reelmill, blocking)))
    ours = set(public_members(getattr(reelmill, awaited)))
    # As they were submitted: `await batch.info()` tells them together.
    assert theirs - ours <= {"name", "labels", "created_at", "completed_at"}
    assert ours <= theirs


@pytest.mark.parametrize(("awaited", "blocking"), AWAITED.items())
def test_asyncio_takes_the_same_arguments(awaited: str, blocking: str) -> None:
    ours, theirs = getattr(reelmill, awaited), getattr(reelmill, blocking)
    for verb in set(public_members(ours)) & set(public_members(theirs)):
        if not isinstance(getattr(theirs, verb), property):
            assert _arguments(getattr(ours, verb)) == _arguments(getattr(theirs, verb)), verb


def _arguments(verb: object) -> list[tuple[str, object]]:
    return [(known.name, known.default) for known in inspect.signature(verb).parameters.values()]  # type: ignore[arg-type]
