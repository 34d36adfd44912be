"""Claiming on a real Postgres: order, exclusiveness, pins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from sqlalchemy import text

from reelmill.ledger.claim import ClaimedMedia, claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import fail, release
from reelmill.ledger.lease import Lease
from reelmill.ledger.pin import MediaPin, pin_media
from reelmill.ledger.workers import register_model
from reelmill.schema import Ask, Generation, Sampling
from tests.integration.ledger.helpers import PassingError, age, job_row, one, outcomes, spec, state, submit, take


def test_a_higher_priority_goes_first_and_age_decides_among_equals(db: Database) -> None:
    low, first, second, high = (submit(db, spec(priority=priority))[0] for priority in (-1, 0, 0, 7))
    assert [take(db).job_id for _ in range(4)] == [high, first, second, low]


def test_jobs_of_one_submission_go_in_the_order_of_the_list(db: Database) -> None:
    submitted = submit(db, *(spec(str(number)) for number in range(20)))
    assert [take(db).job_id for _ in range(20)] == submitted


def test_a_job_is_not_claimed_before_its_time(db: Database) -> None:
    (job_id,) = submit(db)
    age(db, job_id, -60)
    assert claim(db, "w1", "default", lease_s=60, in_flight=0) is None
    age(db, job_id, 61)
    assert take(db).job_id == job_id


def test_a_worker_gets_jobs_of_its_own_model_only(db: Database) -> None:
    register_model(db, "other", path="p", revision=None, family="f", dtype="float32")
    submit(db, spec(model="other"))
    assert claim(db, "w1", "default", lease_s=60, in_flight=0) is None
    job = claim(db, "w1", "other", lease_s=60, in_flight=0)
    assert job is not None
    assert job.spec.model == "other"


def test_a_claim_returns_the_spec_as_it_was_submitted(db: Database) -> None:
    wanted = spec(
        media=("s3://archive/1", "file:///srv/é 2.png"),
        tasks=(Ask("Wo?", "什么？", conversation=True),),
        sampling=Sampling(num_segments=3, bound=(0.5, 9.25), resize="fast"),
        generation=Generation(max_new_tokens=9, do_sample=True, temperature=0.7, seed=5),
        priority=3,
        client_token="token",
        labels={"set": "train", "ключ": "значение"},
        max_attempts=2,
    )
    (job_id,) = submit(db, wanted)
    job = take(db)
    assert (job.job_id, job.attempt, job.isolation) == (job_id, 1, "none")
    assert job.spec == wanted
    assert [media.uri for media in job.media] == list(wanted.media)


def test_a_claim_notes_worker_lease_and_attempt(db: Database) -> None:
    (job_id,) = submit(db)
    job = take(db, "w7", lease_s=90)
    row = job_row(db, job_id)
    assert (row["state"], row["worker_id"], row["attempt"], row["lease_token"]) == (
        "running",
        "w7",
        1,
        job.lease_token,
    )
    assert (row["lease_expires_at"] - row["started_at"]).total_seconds() == 90
    assert outcomes(db, job_id) == ["running"]


def test_eight_claimers_at_once_share_the_jobs_without_overlap(db: Database) -> None:
    submitted = submit(db, *(spec(str(number)) for number in range(120)))

    def claim_all(worker: int) -> list[object]:
        taken = []
        while (job := claim(db, f"w{worker}", "default", lease_s=60, in_flight=0)) is not None:
            taken.append(job.job_id)
        return taken

    with ThreadPoolExecutor(8) as threads:
        taken = [job_id for jobs in threads.map(claim_all, range(8)) for job_id in jobs]
    assert sorted(taken, key=str) == sorted(submitted, key=str)
    assert one(db, "SELECT count(DISTINCT lease_token) FROM jobs WHERE state = 'running'") == 120


def test_a_row_that_somebody_locks_is_passed_by(db: Database) -> None:
    locked, free = submit(db, spec("1"), spec("2"))
    with db.transaction() as connection:
        connection.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": locked})
        assert take(db).job_id == free


def test_a_job_that_this_version_cannot_read_fails_and_the_next_one_is_claimed(db: Database) -> None:
    strange, plain = submit(db, spec("1"), spec("2"))
    with db.transaction() as connection:
        connection.execute(text("""UPDATE jobs SET tasks = '[{"kind": "dream"}]' WHERE id = :id"""), {"id": strange})
    assert take(db).job_id == plain
    row = job_row(db, strange)
    assert (row["state"], row["error_code"]) == ("failed", "spec_invalid")
    assert "dream" in row["error_message"]


def test_pins_come_back_with_the_next_claim_and_the_first_ones_stay(db: Database) -> None:
    (job_id,) = submit(db, spec(media=("s3://a/1", "s3://a/2")))
    job = take(db)
    assert job.media[0] == ClaimedMedia(0, "s3://a/1", None, None, None)
    assert pin_media(db, job.lease, [MediaPin(0, "etag0", "v0", 10), MediaPin(1, "etag1", None, 20)])
    assert pin_media(db, job.lease, [MediaPin(0, "other", "v9", 99)])
    release(db, job.lease)
    again = take(db)
    assert again.job_id == job_id
    assert again.media == (
        ClaimedMedia(0, "s3://a/1", "etag0", "v0", 10),
        ClaimedMedia(1, "s3://a/2", "etag1", None, 20),
    )


def test_a_stale_lease_pins_nothing(db: Database) -> None:
    submit(db)
    job = take(db)
    assert not pin_media(db, Lease(job.job_id, uuid4()), [MediaPin(0, "etag")])
    release(db, job.lease)
    assert not pin_media(db, job.lease, [MediaPin(0, "etag")])
    assert take(db).media[0].etag is None


def test_a_retried_job_waits_for_its_backoff(db: Database) -> None:
    (job_id,) = submit(db)
    fail(db, take(db).lease, PassingError("cut"))
    assert claim(db, "w1", "default", lease_s=60, in_flight=0) is None
    age(db, job_id, 3)
    assert take(db).attempt == 2


def test_a_released_job_keeps_its_place_in_the_line(db: Database) -> None:
    first, second = submit(db, spec("1"), spec("2"))
    release(db, take(db).lease)
    assert [take(db).job_id, take(db).job_id] == [first, second]
    assert state(db, first) == "running"
