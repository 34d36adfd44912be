"""Cancelling and retrying in every state."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from reelmill.ledger import cancel as cancel_module
from reelmill.ledger.cancel import cancel, retry_failed
from reelmill.ledger.database import Database
from reelmill.ledger.finish import acknowledge_cancel, fail, succeed
from reelmill.ledger.heartbeat import heartbeat
from reelmill.ledger.submit import NewBatch
from reelmill.ledger.views import BatchStatus, batch_counts
from tests.integration.ledger.helpers import LastingError, job_row, outcomes, result, spec, state, submit, take

FORGET = text(
    "WITH all_of_it AS (SELECT id FROM jobs WHERE batch_id = :batch_id ORDER BY id FOR NO KEY UPDATE)"
    " UPDATE jobs SET cancel_requested_at = NULL FROM all_of_it WHERE jobs.id = all_of_it.id"
)


def test_a_queued_job_is_cancelled_at_once_and_never_claimed(db: Database) -> None:
    (job_id,) = submit(db)
    assert cancel(db, job_ids=[job_id]) == 1
    row = job_row(db, job_id)
    assert (row["state"], row["attempt"]) == ("cancelled", 0)
    assert row["finished_at"] is not None


def test_a_running_job_is_told_once_and_ends_when_its_worker_agrees(db: Database) -> None:
    (job_id,) = submit(db)
    lease = take(db).lease
    assert (cancel(db, job_ids=[job_id]), cancel(db, job_ids=[job_id])) == (1, 0)
    assert state(db, job_id) == "running"
    assert heartbeat(db, "w1", [lease.lease_token], lease_s=60).cancelled == {lease.lease_token}
    assert acknowledge_cancel(db, lease)
    assert state(db, job_id) == "cancelled"


@pytest.mark.parametrize("ending", ["succeeded", "failed", "cancelled"])
def test_a_job_at_its_end_is_not_touched(db: Database, ending: str) -> None:
    (job_id,) = submit(db)
    lease = take(db).lease
    if ending == "succeeded":
        succeed(db, lease, result())
    elif ending == "failed":
        fail(db, lease, LastingError("no"))
    else:
        acknowledge_cancel(db, lease)
    before = job_row(db, job_id)
    assert cancel(db, job_ids=[job_id]) == 0
    assert job_row(db, job_id) == before


def test_a_batch_is_cancelled_without_its_neighbours_however_many_chunks_it_takes(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancel_module, "CHUNK_JOBS", 4)
    batch, other = NewBatch(), NewBatch()
    submit(db, *(spec(str(number)) for number in range(10)), batch=batch)
    submit(db, spec("x"), batch=other)
    take(db)
    assert cancel(db, batch_id=batch.id) == 10
    assert batch_counts(db, batch.id) == BatchStatus(running=1, cancelled=9)
    assert batch_counts(db, other.id) == BatchStatus(queued=1)


def test_retry_queues_failed_and_cancelled_jobs_afresh_and_leaves_the_others(db: Database) -> None:
    batch = NewBatch()
    failed, cancelled, done, queued = submit(db, *(spec(str(number)) for number in range(4)), batch=batch)
    fail(db, take(db).lease, LastingError("no"))
    cancel(db, job_ids=[cancelled])
    succeed(db, take(db).lease, result())
    assert retry_failed(db, batch_id=batch.id) == 2
    assert [state(db, job_id) for job_id in (failed, cancelled, done, queued)] == [
        "queued",
        "queued",
        "succeeded",
        "queued",
    ]
    row = job_row(db, failed)
    assert (row["error_code"], row["transient_failures"], row["crashes"], row["finished_at"]) == (None, 0, 0, None)
    assert job_row(db, cancelled)["cancel_requested_at"] is None


def test_heartbeats_and_cancellations_of_many_jobs_do_not_wait_for_each_other_in_a_circle(db: Database) -> None:
    batch = NewBatch()
    submit(db, *(spec(str(number)) for number in range(150)), batch=batch)
    tokens = [take(db).lease_token for _ in range(150)]
    random.Random(1).shuffle(tokens)

    def beat() -> None:
        for _ in range(25):
            assert len(heartbeat(db, "w1", tokens, lease_s=60).alive) == 150

    def cancel_again_and_again() -> None:
        for _ in range(25):
            with db.transaction() as connection:
                connection.execute(FORGET, {"batch_id": batch.id})
            assert cancel(db, batch_id=batch.id) == 150

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(beat), threads.submit(beat), threads.submit(cancel_again_and_again)]:
            done.result()


def test_a_retried_job_keeps_the_history_of_its_attempts(db: Database) -> None:
    (job_id,) = submit(db)
    fail(db, take(db).lease, LastingError("no"))
    retry_failed(db, job_ids=[job_id])
    succeed(db, take(db).lease, result())
    assert outcomes(db, job_id) == ["failed", "succeeded"]
