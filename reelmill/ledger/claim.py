"""Claiming: a worker takes the best queued job of its model, in one atomic statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import text

from reelmill.errors import SpecError
from reelmill.ledger.database import Database
from reelmill.ledger.finish import fail
from reelmill.ledger.lease import Lease
from reelmill.schema import JobSpec

Isolation = Literal["none", "group", "alone"]
GROUP_AFTER_CRASHES = 2
ALONE_AFTER_CRASHES = 3
GROUP_SIZE = 4
"""Most jobs in flight in a worker that claims a job which lost its worker twice, that job included."""
SUSPECT_PATIENCE_S = 20
"""A suspect that waited so long goes before all others, as soon as a worker has room for it."""


@dataclass(frozen=True, slots=True)
class ClaimedMedia:
    """One media object of a claimed job, with the version that an earlier claim or the listing pinned, if any."""

    ordinal: int
    uri: str
    etag: str | None
    version_id: str | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that is ours until the lease ends.

    Attributes:
        attempt: how often it has been claimed, this time included.
        isolation: "group": at most GROUP_SIZE in flight beside it, "alone": none, because it lost its workers before.
    """

    job_id: UUID
    attempt: int
    lease_token: UUID
    spec: JobSpec
    media: tuple[ClaimedMedia, ...]
    isolation: Isolation

    @property
    def lease(self) -> Lease:
        """What reports on this job are fenced by."""
        return Lease(self.job_id, self.lease_token, self.attempt)


# Two ways to be picked: suspects that waited long enough, else priority, then age. The order of the second is that
# of jobs_claim_idx. A claim that a database crash forgets (synchronous_commit off) leaves the job queued, and fences
# its worker off: nothing is lost by not waiting for the disk.
_CLAIM = text(
    """
    WITH suspect AS (
        SELECT id FROM jobs
        WHERE state = 'queued' AND crashes >= 2 AND model = :model AND run_at <= now()
          AND queued_at <= now() - make_interval(secs => :patience_s)
          AND CASE WHEN crashes >= :alone_after THEN :in_flight = 0 ELSE :in_flight < :group_size END
        ORDER BY priority DESC, run_at, id LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    ), next_in_line AS (
        SELECT id FROM jobs
        WHERE state = 'queued' AND model = :model AND run_at <= now()
          AND CASE WHEN crashes >= :alone_after THEN :in_flight = 0
                   WHEN crashes >= :group_after THEN :in_flight < :group_size
                   ELSE true END
          AND NOT EXISTS (SELECT FROM suspect)
        ORDER BY priority DESC, run_at, id LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE jobs
        SET state = 'running', attempt = attempt + 1, worker_id = :worker_id, started_at = now(),
            lease_token = gen_random_uuid(), lease_s = :lease_s,
            lease_expires_at = now() + make_interval(secs => :lease_s)
        FROM (SELECT id FROM suspect UNION ALL SELECT id FROM next_in_line) AS picked
        WHERE jobs.id = picked.id
        RETURNING jobs.id, attempt, lease_token, model, priority, max_attempts, client_token, labels,
                  tasks, sampling, generation, crashes,
                  set_config('synchronous_commit', 'off', true) AS commit_without_waiting
    ), noted AS (
        INSERT INTO attempts (job_id, attempt, worker_id) SELECT id, attempt, :worker_id FROM claimed
    )
    SELECT claimed.*,
           (SELECT json_agg(json_build_object('ordinal', ordinal, 'uri', uri, 'etag', etag, 'version_id', version_id,
                                              'size_bytes', size_bytes) ORDER BY ordinal)
            FROM media WHERE job_id = claimed.id) AS media
    FROM claimed
    """
)


def claim(db: Database, worker_id: str, model: str, *, lease_s: float, in_flight: int) -> ClaimedJob | None:
    """Take the best queued job: overdue suspects first, then the highest priority, then the oldest.

    Args:
        lease_s: the job is ours for so many seconds of database time, unless a heartbeat extends it.
        in_flight: jobs that this worker already holds; suspects want few neighbours, or none.

    Returns None when nothing that may be claimed is queued. A job whose stored spec this version cannot read is
    failed on the way, not left to look like a crash.
    """
    values = {
        "worker_id": worker_id,
        "model": model,
        "lease_s": lease_s,
        "in_flight": in_flight,
        "patience_s": SUSPECT_PATIENCE_S,
        "group_after": GROUP_AFTER_CRASHES,
        "alone_after": ALONE_AFTER_CRASHES,
        "group_size": GROUP_SIZE,
    }
    while True:
        row = db.first(_CLAIM, values)
        if row is None:
            return None
        try:
            return _claimed_job(row)
        except ValidationError as error:
            fail(db, Lease(row["id"], row["lease_token"], row["attempt"]), _unreadable(error))


def waiting_suspects(db: Database, model: str, *, older_than_s: float) -> int:
    """How many jobs that lost their workers have waited longer than this for a worker with room for them."""
    statement = text(
        """
        SELECT count(*) FROM jobs
        WHERE state = 'queued' AND crashes >= 2 AND model = :model AND run_at <= now()
          AND queued_at <= now() - make_interval(secs => :older_than_s)
        """
    )
    with db.statement() as connection:
        return connection.scalar(statement, {"model": model, "older_than_s": older_than_s}) or 0


def _claimed_job(row: Mapping[Any, Any]) -> ClaimedJob:
    media = tuple(ClaimedMedia(**found) for found in row["media"] or ())
    names = ("model", "priority", "max_attempts", "client_token", "labels", "tasks", "sampling", "generation")
    spec = JobSpec.model_validate({"media": [found.uri for found in media], **{name: row[name] for name in names}})
    return ClaimedJob(
        job_id=row["id"],
        attempt=row["attempt"],
        lease_token=row["lease_token"],
        spec=spec,
        media=media,
        isolation=_isolation(row["crashes"]),
    )


def _isolation(crashes: int) -> Isolation:
    if crashes >= ALONE_AFTER_CRASHES:
        return "alone"
    return "group" if crashes >= GROUP_AFTER_CRASHES else "none"


def _unreadable(error: ValidationError) -> SpecError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return SpecError(
        f"this worker cannot read the job: {first['msg']}",
        subject=field,
        next_step="Workers must not be older than the reelmill that submits",
    )
