"""The client end to end; the ledger's verbs play the worker."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from sqlalchemy import text

import reelmill
from reelmill import (
    Ask,
    Batch,
    BatchStatus,
    Caption,
    Client,
    DatabaseUnavailableError,
    Ground,
    JobState,
    NoResultsError,
    NotFoundError,
    SchemaOutOfDateError,
    SpecError,
    UnknownModelError,
    UnknownSchemeError,
    WaitTimeoutError,
)
from reelmill.embedded import ServiceUrls
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import fail, succeed
from tests.integration.ledger.helpers import LastingError, PassingError, expire, one, result, spec, state, take


@pytest.fixture
def db(mill: ServiceUrls) -> Iterator[Database]:
    db = Database(mill.database_url)
    yield db
    db.close()


@pytest.fixture
def client(mill: ServiceUrls) -> Iterator[Client]:
    with Client() as client:
        yield client


def work_all(db: Database, said: str = "a cat") -> int:
    worked = 0
    while (job := claim(db, "w1", "default", lease_s=60, in_flight=0)) is not None:
        if "bad" in job.media[0].uri:
            fail(db, job.lease, LastingError("cannot be read", subject=job.media[0].uri, next_step="Replace it"))
        else:
            succeed(db, job.lease, result(said))
        worked += 1
    return worked


def later(action: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(0.3, action)
    timer.start()
    return timer


def test_submit_wait_and_read(client: Client, db: Database, redis_url: str) -> None:
    job = client.submit("s3://archive/cat.jpg", tasks=[Caption(), Ask("What?"), Ground("cat")], labels={"k": "v"})
    assert job.state == "queued"
    with redis.Redis.from_url(redis_url) as broker:
        assert broker.llen("reelmill.default") == 1
    later(lambda: work_all(db))
    assert job.wait(timeout=20) is JobState.SUCCEEDED
    found = job.results()
    assert (found.media[0].uri, found.labels) == ("s3://archive/cat.jpg", {"k": "v"})
    assert found.captions[0].generated.text == "a cat"
    assert [answer.question for answer in found.answers] == ["What?", "Where?"]
    assert [box.x1_px for box in found.boxes] == [64.0, 64.0]
    assert job.errors() == ()
    assert [attempt.outcome for attempt in job.attempts()] == ["succeeded"]
    assert job.status.attempt == 1


def test_a_failed_job_says_why_and_what_to_do(client: Client, db: Database) -> None:
    job = client.submit("s3://archive/bad.jpg", tasks=[Caption()])
    work_all(db)
    assert job.wait(timeout=20) is JobState.FAILED
    (error,) = job.errors()
    assert (error.error_code, error.media, error.error_next_step) == (
        "lasting",
        ("s3://archive/bad.jpg",),
        "Replace it",
    )
    with pytest.raises(NoResultsError, match=r"failed.*cannot be read.*Replace it"):
        job.results()


def test_results_of_a_job_that_is_not_done_say_how_far_it_is(client: Client) -> None:
    with pytest.raises(NoResultsError, match=r"queued.*Wait"):
        client.submit("s3://archive/a", tasks=Caption()).results()


def test_waiting_gives_up_in_time_and_the_job_goes_on(client: Client, db: Database) -> None:
    job = client.submit("s3://archive/a", tasks=[Caption()])
    with pytest.raises(WaitTimeoutError, match=str(job.id)):
        job.wait(timeout=0.2, progress=True)
    assert job.state == "queued"


def test_several_images_and_local_paths_become_one_job(client: Client, db: Database, tmp_path: Path) -> None:
    job = client.submit([tmp_path / "ä 1.png", "s3://archive/2.png"], tasks=[Caption()])
    assert job.status.media == ((tmp_path / "ä 1.png").as_uri(), "s3://archive/2.png")


def test_the_same_client_token_is_the_same_job(client: Client) -> None:
    first = client.submit("s3://archive/a", tasks=[Caption()], client_token="t")
    assert client.submit("s3://archive/b", tasks=[Caption()], client_token="t").id == first.id
    assert first.status.media == ("s3://archive/a",)


def test_a_batch_streams_results_and_errors_and_retries_what_failed(
    client: Client, db: Database, redis_url: str
) -> None:
    batch = client.submit_many(
        ({"media": f"s3://archive/{'bad' if n % 5 == 0 else 'ok'}{n}", "tasks": [Caption()]} for n in range(20)),
        name="nightly",
        labels={"who": "me"},
    )
    assert (batch.info.name, batch.info.labels) == ("nightly", {"who": "me"})
    assert batch.status == BatchStatus(queued=20)
    later(lambda: work_all(db))
    status = batch.wait(timeout=20, progress=True)
    assert (status, status.total, status.done) == (BatchStatus(succeeded=16, failed=4), 20, True)
    assert [found.media[0].uri for found in batch.results()] == [f"s3://archive/ok{n}" for n in range(20) if n % 5]
    assert [error.media for error in batch.errors()] == [(f"s3://archive/bad{n}",) for n in (0, 5, 10, 15)]
    with redis.Redis.from_url(redis_url) as broker:
        broker.flushdb()
        assert batch.retry_failed() == 4
        assert broker.llen("reelmill.default") == 4
    assert batch.status == BatchStatus(queued=4, succeeded=16)


def test_results_and_errors_stream_over_page_borders(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelmill.ledger.results.PAGE_JOBS", 3)
    monkeypatch.setattr("reelmill.ledger.views.PAGE_JOBS", 2)
    names = ["ok1", "bad1", "ok2", "bad2", "ok3", "ok4", "ok5", "ok6", "bad3", "bad4"]
    batch = client.submit_many(spec(name) for name in names)
    work_all(db)
    assert [found.media[0].uri[-3:] for found in batch.results()] == ["ok1", "ok2", "ok3", "ok4", "ok5", "ok6"]
    assert [error.media[0][-4:] for error in batch.errors()] == ["bad1", "bad2", "bad3", "bad4"]


def test_a_batch_is_cancelled_at_once_where_nothing_runs(client: Client) -> None:
    batch = client.submit_many(spec(str(n)) for n in range(5))
    assert batch.cancel() == 5
    assert batch.wait(timeout=5, progress=False) == BatchStatus(cancelled=5)


def test_a_job_is_cancelled_once(client: Client) -> None:
    job = client.submit("s3://archive/a", tasks=[Caption()])
    assert (job.cancel(), job.cancel(), job.state) == (True, False, "cancelled")


def test_jobs_and_batches_are_found_again_by_their_ids(client: Client) -> None:
    job = client.submit("s3://archive/a", tasks=[Caption()])
    batch = client.submit_many([spec()])
    assert client.job(str(job.id)).id == job.id
    assert client.batch(batch.id).status.total == 1
    for unknown in (uuid4(), "not-an-id"):
        with pytest.raises(NotFoundError):
            client.job(unknown)
        with pytest.raises(NotFoundError):
            client.batch(unknown)


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"media": "http://h/a.jpg"}, UnknownSchemeError, "http"),
        ({"media": "cat.jpg"}, UnknownSchemeError, "pathlib"),
        ({"media": []}, SpecError, "media"),
        ({"tasks": []}, SpecError, "tasks"),
        ({"tasks": [{"kind": "ask", "questions": ["ok", " "]}]}, SpecError, r"tasks\[0\]\.questions\[1\]"),
        ({"sampling": {"bound": (9, 3)}}, SpecError, "sampling.*bound"),
        ({"generation": {"max_tokens": 5}}, SpecError, "generation.max_tokens"),
        ({"model": "nobody-serves-this"}, UnknownModelError, "default"),
        ({"priority": 10**6}, SpecError, "priority"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_field_and_nothing_is_inserted(
    client: Client, db: Database, fields: dict[str, object], error: type[SpecError], says: str
) -> None:
    given: dict[str, object] = {"media": "s3://archive/a", "tasks": [Caption()], **fields}
    with pytest.raises(error, match=says):
        client.submit(**given)  # type: ignore[arg-type]
    with pytest.raises(error, match=f"job 1, .*{says}" if error is SpecError else says):
        client.submit_many([{"media": "s3://archive/a", "tasks": [Caption()]}, given])
    assert one(db, "SELECT count(*) FROM jobs") == 0


def test_a_lost_redis_harms_neither_submitting_nor_waiting(mill: ServiceUrls, db: Database) -> None:
    with Client(mill.database_url, "redis://127.0.0.1:1/0") as client:
        batch = client.submit_many(spec(str(n)) for n in range(3))
        assert work_all(db) == 3
        assert batch.wait(timeout=20, progress=False).succeeded == 3
        assert batch.retry_failed() == 0


def test_a_client_without_redis_submits(
    mill: ServiceUrls, monkeypatch: pytest.MonkeyPatch, set_environment: Callable[..., None], redis_url: str
) -> None:
    monkeypatch.delenv("REELMILL_REDIS_URL")
    set_environment(log_level="INFO")
    with Client() as client:
        assert client.submit("s3://archive/a", tasks=[Caption()]).state == "queued"
    with redis.Redis.from_url(redis_url) as broker:
        assert broker.llen("reelmill.default") == 0


def test_waiting_outlives_a_database_that_is_away_for_a_moment(client: Client, db: Database) -> None:
    job = client.submit("s3://archive/a", tasks=[Caption()])
    looked = threading.Event()

    def cut_every_connection_then_work() -> None:
        looked.set()
        with db.transaction() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        work_all(db)

    later(cut_every_connection_then_work)
    assert job.wait(timeout=20) is JobState.SUCCEEDED
    assert looked.is_set()


def test_a_database_that_is_nowhere_or_not_migrated_is_said_at_once(
    empty_database_url: str, set_environment: Callable[..., None]
) -> None:
    with pytest.raises(DatabaseUnavailableError, match="REELMILL_DATABASE_URL"):
        Client()
    with pytest.raises(SchemaOutOfDateError, match="reelmill migrate"):
        Client(empty_database_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(DatabaseUnavailableError, match=str(port)):
        Client(f"postgresql://someone@127.0.0.1:{port}/x")


def test_crashes_and_retries_are_told_as_attempts(client: Client, db: Database) -> None:
    from reelmill.ledger.sweep import sweep

    job = client.submit("s3://archive/a", tasks=[Caption()], max_attempts=1)
    take(db)
    expire(db, job.id)
    sweep(db)
    fail(db, take(db).lease, PassingError("cut off", subject="s3://archive/a"))
    assert [(attempt.outcome, attempt.error_code) for attempt in job.attempts()] == [
        ("lost", "worker_lost"),
        ("failed", "passing"),
    ]
    assert state(db, job.id) == "failed"


def test_every_public_name_is_there() -> None:
    assert {name: getattr(reelmill, name) for name in reelmill.__all__}["Batch"] is Batch
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = reelmill.nothing_of_the_kind
