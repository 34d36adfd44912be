"""How attempts end, fenced by their lease."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from reelmill.ledger.cancel import cancel
from reelmill.ledger.database import Database
from reelmill.ledger.finish import BACKOFF_CAP_S, acknowledge_cancel, backoff_s, fail, release, succeed
from reelmill.ledger.kept_windows import keep_windows, kept_windows
from reelmill.ledger.lease import Lease
from reelmill.ledger.results import results
from reelmill.ledger.sweep import sweep
from reelmill.schema import AnswerResult, CaptionResult, JobResult, JobState, MediaFacts
from tests.integration.ledger.helpers import (
    LastingError,
    PassingError,
    age,
    count_results,
    expire,
    job_row,
    one,
    outcomes,
    result,
    spec,
    state,
    submit,
    take,
    words,
)

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('tuple', 'transactionid')"
NOTHING = {"segments": 0, "captions": 0, "summaries": 0, "answers": 0, "groundings": 0, "boxes": 0}
EVERYTHING = {"segments": 2, "captions": 2, "summaries": 1, "answers": 2, "groundings": 2, "boxes": 2}


def test_success_writes_every_row_and_reading_gives_back_what_was_found(db: Database) -> None:
    (job_id,) = submit(db, spec(media=("s3://a/1", "s3://a/2"), labels={"k": "v"}))
    wanted = result(media_count=2)
    assert succeed(db, take(db).lease, wanted)
    (found,) = results(db, job_ids=[job_id])
    assert [media.uri for media in found.media] == ["s3://a/1", "s3://a/2"]
    assert tuple(media.facts for media in found.media) == wanted.media
    assert found.segments == wanted.segments
    assert found.captions == wanted.captions
    assert (found.summaries, found.summary) == (wanted.summaries, "all in all")
    assert found.answers == wanted.answers
    assert found.groundings == wanted.groundings
    assert replace(found.times, write_s=0.0) == wanted.times
    assert found.tiles == 5
    assert (found.prompt_tokens, found.output_tokens, found.labels) == (700, 49, {"k": "v"})
    assert len(found.boxes) == 2
    row = job_row(db, job_id)
    assert (row["state"], row["lease_token"], row["lease_expires_at"]) == ("succeeded", None, None)
    assert row["finished_at"] is not None
    assert outcomes(db, job_id) == ["succeeded"]


@pytest.mark.parametrize("known_attempt", [True, False])
def test_a_stale_lease_writes_nothing_at_all(db: Database, known_attempt: bool) -> None:
    (job_id,) = submit(db)
    stale = take(db).lease
    expire(db, job_id)
    sweep(db)
    newer = take(db, "w2")
    lease = stale if known_attempt else Lease(stale.job_id, stale.lease_token)
    assert succeed(db, lease, result()) is False
    assert fail(db, lease, LastingError("no")) is None
    assert release(db, lease) is False
    assert acknowledge_cancel(db, lease) is False
    assert count_results(db, job_id) == NOTHING
    row = job_row(db, job_id)
    assert (row["state"], row["lease_token"], row["error_code"]) == ("running", newer.lease_token, None)
    assert outcomes(db, job_id) == ["lost", "running"]


SLOW_INSERT = """
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$;
    CREATE TRIGGER dawdle BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION dawdle()
"""


@pytest.mark.parametrize("table", ["segments", "captions", "answers", "groundings", "boxes"])
def test_the_time_of_writing_covers_every_row_and_the_job_ends_after_it(db: Database, table: str) -> None:
    (job_id,) = submit(db)
    with db.transaction() as connection:
        connection.execute(text(SLOW_INSERT.format(table=table)))
    try:
        assert succeed(db, take(db).lease, result())
    finally:
        with db.transaction() as connection:
            connection.execute(text("DROP FUNCTION dawdle CASCADE"))
    (found,) = results(db, job_ids=[job_id])
    row = job_row(db, job_id)
    assert found.times.write_s >= 2 * 0.05
    assert (row["finished_at"] - row["started_at"]).total_seconds() >= found.times.write_s
    ended = one(db, "SELECT finished_at FROM attempts WHERE job_id = :id", id=job_id)
    assert ended == row["finished_at"]


@pytest.mark.parametrize("extended", [True, False])
def test_a_report_that_waits_for_a_heartbeat_is_written_once(db: Database, extended: bool) -> None:
    (job_id,) = submit(db)
    lease = take(db).lease
    change = "lease_expires_at = now() + interval '1 hour'" if extended else "lease_token = gen_random_uuid()"
    with ThreadPoolExecutor(1) as reporter:
        with db.transaction() as other:
            other.execute(text(f"UPDATE jobs SET {change} WHERE id = :id"), {"id": job_id})
            report = reporter.submit(succeed, db, lease, result())
            while one(db, WAITING) == 0:
                assert not report.done(), "the report did not wait for the row"
                time.sleep(0.01)
        assert report.result(timeout=60) is extended
    assert count_results(db, job_id) == (EVERYTHING if extended else NOTHING)
    assert state(db, job_id) == ("succeeded" if extended else "running")


def test_a_second_success_with_the_same_lease_changes_nothing(db: Database) -> None:
    (job_id,) = submit(db)
    lease = take(db).lease
    assert succeed(db, lease, result("first")) is True
    assert succeed(db, lease, result("second")) is False
    (found,) = results(db, job_ids=[job_id])
    assert found.captions[0].generated.text == "first"


@pytest.mark.parametrize("known_attempt", [True, False])
def test_a_rerun_replaces_what_an_earlier_attempt_left(db: Database, known_attempt: bool) -> None:
    (job_id,) = submit(db)
    succeed(db, take(db).lease, result("first"))
    with db.transaction() as connection:
        connection.execute(text("UPDATE jobs SET state = 'queued' WHERE id = :id"), {"id": job_id})
    lease = take(db).lease
    shorter = JobResult(media=result().media, segments=result().segments, captions=(CaptionResult(0, 0, words("2nd")),))
    assert succeed(db, lease if known_attempt else Lease(job_id, lease.lease_token), shorter)
    assert count_results(db, job_id) == {**NOTHING, "segments": 2, "captions": 1}
    (found,) = results(db, job_ids=[job_id])
    assert found.captions[0].generated.text == "2nd"


def test_an_unknown_attempt_number_writes_the_same_rows(db: Database) -> None:
    (job_id,) = submit(db)
    lease = take(db).lease
    assert succeed(db, Lease(job_id, lease.lease_token), result())
    assert count_results(db, job_id) == EVERYTHING


def test_nul_and_broken_unicode_in_what_a_model_says_do_not_break_the_insert(db: Database) -> None:
    (job_id,) = submit(db)
    media = MediaFacts(0, "image", "png\0", 1, 1, 1, "sha", duration_s=float("nan"), fps=float("inf"))
    said = CaptionResult(0, 0, words("a\0b \ud800 ü 熊"))
    assert succeed(db, take(db).lease, JobResult(media=(media,), segments=(), captions=(said,)))
    (found,) = results(db, job_ids=[job_id])
    assert found.captions[0].generated.text == "ab ? ü 熊"
    assert (found.media[0].facts.format, found.media[0].facts.duration_s, found.media[0].facts.fps) == (
        "png",
        None,
        None,
    )


def test_a_lasting_error_fails_the_job_at_once_and_says_what_to_do(db: Database) -> None:
    (job_id,) = submit(db)
    error = LastingError("zero\0 bytes", subject="s3://archive/a", next_step="Upload it again")
    assert fail(db, take(db).lease, error) is JobState.FAILED
    row = job_row(db, job_id)
    assert (row["state"], row["error_code"], row["error_message"], row["error_next_step"], row["lease_token"]) == (
        "failed",
        "lasting",
        "s3://archive/a: zero bytes",
        "Upload it again",
        None,
    )
    assert outcomes(db, job_id) == ["failed"]


def test_a_passing_error_is_retried_until_max_attempts(db: Database) -> None:
    (job_id,) = submit(db, spec(max_attempts=3))
    states = []
    for _ in range(3):
        states.append(fail(db, take(db).lease, PassingError("cut")))
        age(db, job_id, BACKOFF_CAP_S * 2)
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.FAILED]
    assert outcomes(db, job_id) == ["retried", "retried", "failed"]
    row = job_row(db, job_id)
    assert (row["error_code"], row["transient_failures"], row["crashes"]) == ("passing", 3, 0)


def test_backoff_doubles_up_to_its_cap_and_spreads() -> None:
    assert [backoff_s(failures) for failures in (1, 2, 3)] == [2.0, 4.0, 8.0]
    assert backoff_s(9999) == BACKOFF_CAP_S
    assert (backoff_s(1, 0.0), backoff_s(1, 0.999)) == pytest.approx((1.0, 2.998))


def test_a_release_counts_as_neither_failure_nor_crash(db: Database) -> None:
    (job_id,) = submit(db, spec(max_attempts=1))
    for _ in range(6):
        assert release(db, take(db).lease)
    row = job_row(db, job_id)
    assert (row["state"], row["transient_failures"], row["crashes"], row["attempt"]) == ("queued", 0, 0, 6)
    assert outcomes(db, job_id) == ["released"] * 6
    assert take(db).isolation == "none"


def test_finishing_wins_over_a_cancellation_asked_for_meanwhile(db: Database) -> None:
    (job_id,) = submit(db)
    lease = take(db).lease
    cancel(db, job_ids=[job_id])
    assert succeed(db, lease, result())
    assert state(db, job_id) == "succeeded"


@pytest.mark.parametrize("ending", ["release", "passing error", "acknowledge"])
def test_a_job_whose_cancellation_was_asked_for_does_not_go_back_into_the_line(db: Database, ending: str) -> None:
    (job_id,) = submit(db)
    lease = take(db).lease
    cancel(db, job_ids=[job_id])
    if ending == "release":
        assert release(db, lease)
    elif ending == "acknowledge":
        assert acknowledge_cancel(db, lease)
    else:
        assert fail(db, lease, PassingError("cut")) is JobState.CANCELLED
    assert state(db, job_id) == "cancelled"
    assert outcomes(db, job_id) == ["cancelled"]


def test_a_report_on_a_job_that_does_not_exist_is_refused_like_a_stale_one(db: Database) -> None:
    nobody = Lease(UUID(int=1), uuid4(), 1)
    assert not succeed(db, nobody, result())
    assert fail(db, nobody, PassingError("cut")) is None


def test_values_probabilities_and_problems_of_answers_are_json_for_everybody(db: Database) -> None:
    (job_id,) = submit(db)
    value = {"colour": "r\0ed", "sides": [3, 4.5, None, True]}
    answers = (
        AnswerResult(0, 1, 0, "Of a schema?", words("{…}"), value=value),
        AnswerResult(0, 1, 1, "Of choices?", words("yes"), probabilities={"yes": 0.75, "no": 0.25}),
        AnswerResult(0, 1, 2, "Of none?", words("perhaps"), problem="not JSON"),
    )
    assert succeed(db, take(db).lease, replace(result(), answers=answers))
    (found,) = results(db, job_ids=[job_id])
    assert [answer.value for answer in found.answers] == [{**value, "colour": "red"}, None, None]
    assert [answer.probabilities for answer in found.answers] == [None, {"yes": 0.75, "no": 0.25}, None]
    assert [row.problem for row in found.rows() if row.kind == "answer"] == [None, None, "not JSON"]
    seen = "SELECT count(*) FROM reelmill.media_answers WHERE job_id = :id AND "
    assert one(db, seen + "value->>'colour' = 'red'", id=job_id) == 1
    assert one(db, seen + "(probabilities->>'yes')::float8 > 0.7", id=job_id) == 1
    assert one(db, seen + "problem IS NULL", id=job_id) == 2


def test_windows_are_kept_for_the_next_attempt_only_by_the_lease_and_end_with_the_job(db: Database) -> None:
    (job_id,) = submit(db)
    first = take(db).lease
    odd = replace(result("a\0 \ud83d cat"), media=())
    assert keep_windows(db, first, "key", odd)
    expire(db, job_id)
    sweep(db)
    second = take(db).lease
    assert not keep_windows(db, first, "key", replace(result("late"), media=())), "the lease was lost"
    assert kept_windows(db, second, "key") == (odd,)
    assert kept_windows(db, second, "another key") == ()
    assert release(db, second)
    third = take(db).lease
    assert kept_windows(db, third, "key") == (odd,), "a release keeps them"
    assert succeed(db, third, result())
    assert one(db, "SELECT count(*) FROM kept_windows") == 0


def test_windows_of_a_job_that_failed_are_not_kept(db: Database) -> None:
    submit(db)
    lease = take(db).lease
    assert keep_windows(db, lease, "key", replace(result(), media=()))
    assert fail(db, lease, PassingError("passes")) == JobState.QUEUED
    assert one(db, "SELECT count(*) FROM kept_windows") == 1
    submit(db)
    lease = take(db).lease
    assert keep_windows(db, lease, "key", replace(result(), media=()))
    assert fail(db, lease, LastingError("stays")) == JobState.FAILED
    assert one(db, "SELECT count(*) FROM kept_windows WHERE job_id = :id", id=lease.job_id) == 0
