"""A batch's fields and verbs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reelmill import Batch, BatchState, BatchStatus, Caption, Client, JobState, WaitTimeoutError
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import succeed
from reelmill.ledger.obstacles import queued_for_models
from reelmill.ledger.workers import register_model, register_worker, retire_worker
from tests.integration.ledger.helpers import result, take
from tests.integration.sdk.conftest import Work


def submit(client: Client, *names: str, **more: object) -> Batch:
    specs = [{"media": f"s3://archive/{name}", "tasks": [Caption()], **more} for name in names]
    return client.submit_many(specs, name="nightly", labels={"who": "me"})


def serve(db: Database, worker_id: str, model: str = "default") -> None:
    register_worker(db, worker_id, model=model, hostname="h", pid=1, device="cpu", concurrency=1)


def test_a_batch_has_the_fields_that_users_know(client: Client, work: Work) -> None:
    batch = submit(client, "ok1", "bad", "ok2")
    assert (batch.name, batch.labels) == ("nightly", {"who": "me"})
    assert datetime.now(UTC) - batch.created_at < timedelta(minutes=1)
    assert (batch.state, batch.finished_at, batch.completed_at) == ("in_progress", None, None)
    work()
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1)
    assert (counts.queued, counts.running, counts.cancelled) == (0, 0, 0)
    assert str(counts) == "3 of 3 jobs finished (2 succeeded, 1 failed)"
    assert batch.state is BatchState.COMPLETED
    finished_at = batch.finished_at
    assert finished_at is not None
    assert finished_at == batch.completed_at
    assert batch.created_at <= finished_at <= datetime.now(UTC)


def test_a_cancelled_batch_keeps_what_had_succeeded(client: Client, db: Database, tmp_path: Path) -> None:
    batch = submit(client, "a", "b", "c")
    succeed(db, take(db).lease, result("done before"))
    running = take(db)
    assert batch.state is BatchState.IN_PROGRESS
    assert batch.cancel() == 2
    assert (batch.state, batch.state.done, batch.finished_at) == (BatchState.CANCELLING, False, None)
    succeed(db, running.lease, result("ended all the same"))
    assert (batch.state, batch.state.done) == (BatchState.CANCELLED, True)
    assert batch.request_counts == BatchStatus(succeeded=2, cancelled=1)
    assert [found.captions[0].text for found in batch.results()] == ["done before", "ended all the same"]
    assert batch.to_jsonl(tmp_path / "partial.jsonl") == 2


def test_partial_results_can_be_read_while_the_rest_waits(client: Client, db: Database) -> None:
    batch = submit(client, "a", "b")
    succeed(db, take(db).lease, result("first"))
    assert [found.captions[0].text for found in batch.results()] == ["first"]
    assert len(batch.to_pandas()) == 8


def test_a_retry_makes_the_batch_go_on(client: Client, work: Work) -> None:
    batch = submit(client, "bad", "ok")
    work()
    assert batch.retry_failed() == 1
    assert (batch.state, batch.finished_at) == (BatchState.IN_PROGRESS, None)


def test_one_job_is_retried_when_it_failed_and_only_then(client: Client, work: Work) -> None:
    job = client.submit("s3://archive/bad", tasks=Caption())
    assert job.retry() is False
    work()
    assert job.state is JobState.FAILED
    assert (job.retry(), job.state) == (True, JobState.QUEUED)


def test_a_batch_without_jobs_is_complete(client: Client) -> None:
    batch = client.submit_many([])
    assert (batch.state, batch.finished_at, batch.request_counts.total) == (BatchState.COMPLETED, None, 0)
    assert batch.wait(timeout=1).done


def test_the_latest_batches_are_listed(client: Client) -> None:
    made = [submit(client, "a").id for _ in range(3)]
    assert [batch.id for batch in client.batches()] == made[::-1]
    assert [batch.id for batch in client.batches(limit=1)] == made[2:]


def test_the_workers_are_listed(client: Client, db: Database) -> None:
    serve(db, "w1")
    (worker,) = client.workers()
    assert (worker.id, worker.model, worker.running, worker.silent_s < 30) == ("w1", "default", 0, True)


def test_a_wait_without_workers_says_how_to_start_one(
    client: Client, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    register_model(db, "big", path="/m", revision=None, family="f", dtype="float32")
    for submitted in (submit(client, "a", model="big"), client.submit("s3://archive/a", tasks=Caption(), model="big")):
        with pytest.raises(WaitTimeoutError, match=r"no worker is alive for model 'big'.*It goes on"):
            submitted.wait(timeout=0.1, progress=True)
        assert (
            "start one with `reelmill worker --model PATH_OR_HUB_ID --served-model-name big`" in capsys.readouterr().err
        )
    with pytest.raises(WaitTimeoutError, match="no worker is alive"):
        client.batches()[0].wait(timeout=0.1, progress=False)


def test_only_workers_that_are_heard_of_and_serve_the_model_count(client: Client, db: Database) -> None:
    batch = submit(client, "a", "b")

    def workers() -> int:
        (queued,) = queued_for_models(db, batch_id=batch.id)
        assert (queued.model, queued.jobs, queued.ready, queued.next_try_s) == ("default", 2, 2, None)
        return queued.workers

    serve(db, "elsewhere", model="big")
    assert workers() == 0
    serve(db, "w1")
    serve(db, "w2")
    assert workers() == 2
    retire_worker(db, "w1")
    assert workers() == 1
    with db.transaction() as connection:
        connection.exec_driver_sql("UPDATE workers SET last_seen_at = now() - interval '10 minutes'")
    assert workers() == 0


def test_jobs_that_wait_for_their_next_try_are_told_apart(client: Client, db: Database) -> None:
    batch = submit(client, "a", "b")
    with db.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE jobs SET run_at = now() + interval '40 s' WHERE id = (SELECT id FROM jobs ORDER BY id LIMIT 1)"
        )
    (queued,) = queued_for_models(db, batch_id=batch.id)
    assert (queued.jobs, queued.ready) == (2, 1)
    assert queued.next_try_s == pytest.approx(40, abs=5)
    assert claim(db, "w1", "default", lease_s=60, in_flight=0) is not None
    assert queued_for_models(db, batch_id=batch.id)[0].ready == 0
