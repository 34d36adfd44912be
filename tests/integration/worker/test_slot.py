"""The job boundary on a real ledger: whatever a stage raises becomes a row, and the slot goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest

from pipelines.cancellation import Cancellation
from pipelines.errors import CancelledError, TruncatedMediaError
from reelmill.bells import Bells
from reelmill.ledger.claim import ClaimedJob
from reelmill.ledger.database import Database
from reelmill.ledger.submit import submit_jobs
from reelmill.schema import (
    Caption,
    CaptionResult,
    FrameRef,
    Generated,
    JobResult,
    JobSpec,
    MediaFacts,
    SegmentResult,
)
from reelmill.settings import Settings
from tests.workers import rows
from worker.drain import Drain
from worker.errors import StorageUnavailableError
from worker.leases import HeldJob, Leases
from worker.metrics import Metrics
from worker.runner import Pin, Runner
from worker.slot import Slot
from worker.storage import ObjectVersion
from worker.windows import Keeper

RESULT = JobResult(
    media=(MediaFacts(0, "image", "PNG", 10, 10, 100, "ab"),),
    segments=(SegmentResult(0, None, None, (FrameRef(0, 0, None, 1),)),),
    captions=(CaptionResult(0, 0, Generated("a", "a", "stop", 1, 1)),),
)


@dataclass
class ScriptedRunner:
    """Does what the test says instead of the stages."""

    action: Callable[[ClaimedJob, Pin, Cancellation], JobResult]

    def run(self, job: ClaimedJob, pin: Pin, cancellation: Cancellation, keeper: Keeper) -> JobResult:
        return self.action(job, pin, cancellation)


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


def slot_of(database: Database, redis_url: str, action: Callable[..., Any]) -> Slot:
    leases = Leases()
    settings = Settings(slot_s=5, lease_s=5)
    bells = Bells(redis_url, max_bells=8)
    runner = cast(Runner, ScriptedRunner(action))
    return Slot(settings, database, bells, leases, Drain(leases, 0.01), runner, "test-worker", Metrics("default"))


def submit(database: Database, *names: str) -> None:
    submit_jobs(database, [JobSpec(media=(f"s3://b/{name}",), tasks=(Caption(),)) for name in names])


def states(database_url: str) -> dict[str, tuple[Any, ...]]:
    query = (
        "SELECT m.uri, j.state, a.error_code, j.attempt, j.transient_failures"
        " FROM jobs j JOIN media m ON m.job_id = j.id LEFT JOIN attempts a ON a.job_id = j.id"
    )
    return {str(uri).removeprefix("s3://b/"): tuple(rest) for uri, *rest in rows(database_url, query)}


@pytest.mark.parametrize("error", [MemoryError("no memory"), SystemExit(3), ValueError("bug")])
def test_whatever_a_stage_raises_is_stored_and_the_next_job_runs(
    database: Database, database_url: str, redis_url: str, error: BaseException
) -> None:
    submit(database, "bad", "good")

    def action(job: ClaimedJob, *_: object) -> JobResult:
        if job.media[0].uri.endswith("bad"):
            raise error
        return RESULT

    assert slot_of(database, redis_url, action).run() == 2
    assert states(database_url) == {
        "bad": ("queued", "internal_error", 1, 1),
        "good": ("succeeded", None, 1, 0),
    }


def test_permanent_errors_fail_at_once_and_passing_ones_wait_for_their_next_try(
    database: Database, database_url: str, redis_url: str
) -> None:
    submit(database, "cut", "away")

    def action(job: ClaimedJob, *_: object) -> JobResult:
        uri = job.media[0].uri
        raise (TruncatedMediaError if uri.endswith("cut") else StorageUnavailableError)("no", subject=uri)

    slot_of(database, redis_url, action).run()
    assert states(database_url) == {
        "cut": ("failed", "media_truncated", 1, 0),
        "away": ("queued", "storage_unavailable", 1, 1),
    }
    assert rows(database_url, "SELECT count(*) FROM jobs WHERE run_at > now()") == [(1,)]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("cancelled", ("cancelled", "cancelled")), ("draining", ("queued", "released")), ("lost", ("running", "running"))],
)
def test_a_stopped_job_ends_as_its_reason_says(
    database: Database, database_url: str, redis_url: str, reason: Any, expected: tuple[str, str]
) -> None:
    submit(database, "a")

    def action(job: ClaimedJob, pin: Pin, cancellation: Cancellation) -> JobResult:
        slot.leases.stop([job.lease_token], reason)
        slot.drain.start()
        cancellation.check()
        raise AssertionError("not reached")

    slot = slot_of(database, redis_url, action)
    slot.run()
    assert rows(database_url, "SELECT j.state, a.outcome FROM jobs j JOIN attempts a ON a.job_id = j.id") == [expected]
    assert slot.leases.tokens() == ()


def test_a_result_that_comes_after_the_lease_was_lost_writes_nothing(
    database: Database, database_url: str, redis_url: str
) -> None:
    submit(database, "a")

    def action(job: ClaimedJob, *_: object) -> JobResult:
        with database.transaction() as connection:
            connection.exec_driver_sql("UPDATE jobs SET lease_token = gen_random_uuid()")
        slot.drain.start()
        return RESULT

    slot = slot_of(database, redis_url, action)
    slot.run()
    assert rows(database_url, "SELECT count(*) FROM captions") == [(0,)]
    assert rows(database_url, "SELECT state FROM jobs") == [("running",)]


def test_a_pin_after_the_lease_was_lost_stops_the_job(database: Database, database_url: str, redis_url: str) -> None:
    submit(database, "a")
    reached = []

    def action(job: ClaimedJob, pin: Pin, _: Cancellation) -> JobResult:
        slot.drain.start()
        pin([(0, ObjectVersion(etag="e1", version_id=None, size_bytes=5))])
        with database.transaction() as connection:
            connection.exec_driver_sql("UPDATE jobs SET lease_token = gen_random_uuid()")
        pin([(0, ObjectVersion(etag="e2", version_id=None, size_bytes=5))])
        reached.append(job)
        return RESULT

    slot = slot_of(database, redis_url, action)
    slot.run()
    assert not reached
    assert rows(database_url, "SELECT etag FROM media") == [("e1",)]


def test_a_draining_worker_claims_nothing(database: Database, database_url: str, redis_url: str) -> None:
    submit(database, "a")
    slot = slot_of(database, redis_url, lambda *_: RESULT)
    slot.drain.start()
    assert slot.run() == 0
    assert states(database_url)["a"][0] == "queued"


def test_what_runs_past_the_grace_time_is_stopped(database: Database) -> None:
    leases = Leases()
    job = ClaimedJob(*_ids(), JobSpec(media=("s3://b/a",), tasks=(Caption(),)), (), "none")  # type: ignore[arg-type]
    held = leases.take(lambda _: job)
    Drain(leases, 0.01).start()
    assert isinstance(held, HeldJob)
    assert held.cancellation._event.wait(5)
    assert held.stopped_for == "draining"
    with pytest.raises(CancelledError):
        held.cancellation.check()


def _ids() -> tuple[object, int, object]:
    from uuid import uuid4

    return uuid4(), 1, uuid4()
