"""Jobs, results and faults for the ledger's tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text

from reelmill.ledger.claim import ClaimedJob, claim
from reelmill.ledger.database import Database
from reelmill.ledger.submit import NewBatch, submit_jobs
from reelmill.schema import (
    AnswerResult,
    Ask,
    Box,
    Caption,
    CaptionResult,
    FrameRef,
    Generated,
    Ground,
    GroundingResult,
    JobResult,
    JobSpec,
    MediaFacts,
    ReelmillError,
    SegmentResult,
    StageTimes,
    SummaryResult,
)

RESULT_TABLES = ("segments", "captions", "summaries", "answers", "groundings", "boxes")


class PassingError(ReelmillError):
    code = "passing"
    transient = True


class LastingError(ReelmillError):
    code = "lasting"


def spec(name: str = "a", **fields: Any) -> JobSpec:
    tasks = (Caption(), Ask("What?", "Where?"), Ground("cat"))
    return JobSpec(**{"media": (f"s3://archive/{name}",), "tasks": tasks, **fields})


def submit(db: Database, *specs: JobSpec, batch: NewBatch | None = None) -> list[UUID]:
    return list(submit_jobs(db, specs or [spec()], batch=batch).job_ids)


def take(db: Database, worker: str = "w1", *, in_flight: int = 0, lease_s: float = 60.0) -> ClaimedJob:
    job = claim(db, worker, "default", lease_s=lease_s, in_flight=in_flight)
    assert job is not None
    return job


def words(said: str) -> Generated:
    return Generated(said, f"{said}<|im_end|>", "stop", prompt_tokens=100, output_tokens=7)


def result(said: str = "a cat", *, media_count: int = 1) -> JobResult:
    frame = FrameRef(media_ordinal=0, frame_index=3, timestamp_s=0.125, tile_count=2)
    box = Box("cat", 100, 200, 300, 400, 64.0, 96.5, 192.0, 193.0)
    return JobResult(
        media=tuple(
            MediaFacts(number, "video", "mov,mp4", 640, 480, 1234, f"sha{number}", "h264", 90, 3.003, 29.97, 1)
            for number in range(media_count)
        ),
        segments=(SegmentResult(0, 0.0, 1.5, (frame, FrameRef(0, 9, None, 1))), SegmentResult(1, 1.5, 3.0, (frame,))),
        captions=(CaptionResult(0, 0, words(said)), CaptionResult(1, 0, words(f"{said} again"))),
        answers=(AnswerResult(0, 1, 0, "What?", words("cat")), AnswerResult(0, 1, 1, "Where?", words("there"))),
        groundings=(
            GroundingResult(0, 2, 0, "cat", frame, "found", words("[[…]]"), (box, box)),
            GroundingResult(0, 2, 1, "dog", frame, "malformed", words("[[1, 2"), problem="three numbers are missing"),
        ),
        times=StageTimes(0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
        summaries=(SummaryResult(0, 2, 1, words("all in all")),),
    )


def one(db: Database, statement: str, **values: Any) -> Any:
    with db.transaction() as connection:
        return connection.scalar(text(statement), values)


def job_row(db: Database, job_id: UUID) -> Mapping[Any, Any]:
    with db.transaction() as connection:
        return connection.execute(text("SELECT * FROM jobs WHERE id = :id"), {"id": job_id}).mappings().one()


def state(db: Database, job_id: UUID) -> str:
    return str(job_row(db, job_id)["state"])


def outcomes(db: Database, job_id: UUID) -> list[str]:
    with db.transaction() as connection:
        rows = connection.scalars(
            text("SELECT outcome FROM attempts WHERE job_id = :id ORDER BY attempt"), {"id": job_id}
        )
        return list(rows)


def count_results(db: Database, job_id: UUID) -> dict[str, int]:
    return {table: one(db, f"SELECT count(*) FROM {table} WHERE job_id = :id", id=job_id) for table in RESULT_TABLES}


def expire(db: Database, job_id: UUID) -> None:
    """As if the worker had been silent for longer than its lease."""
    with db.transaction() as connection:
        connection.execute(
            text(
                "UPDATE jobs SET lease_expires_at = now() - interval '1 ms', lease_s = 0"
                " WHERE id = :id AND state = 'running'"
            ),
            {"id": job_id},
        )


def age(db: Database, job_id: UUID, seconds: float) -> None:
    """As if everything that stands in the job's row had happened so much earlier."""
    with db.transaction() as connection:
        connection.execute(
            text(
                "UPDATE jobs SET run_at = run_at - make_interval(secs => :s),"
                " queued_at = queued_at - make_interval(secs => :s) WHERE id = :id"
            ),
            {"id": job_id, "s": seconds},
        )
