"""Submitting: all or nothing, tokens, models, bulk."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from reelmill.errors import UnknownModelError
from reelmill.ledger.database import Database
from reelmill.ledger.ids import new_id
from reelmill.ledger.submit import FEW_JOBS, NewBatch, submit_jobs
from reelmill.ledger.views import BatchStatus, batch_counts, batch_view, job_view
from reelmill.ledger.workers import register_model
from reelmill.schema import Ask, JobSpec
from tests.integration.ledger.helpers import one, spec, take

SIZES = pytest.mark.parametrize("count", [3, FEW_JOBS + 5], ids=["few", "many"])


@SIZES
def test_jobs_and_their_media_are_inserted_in_order_with_their_batch(db: Database, count: int) -> None:
    batch = NewBatch(name="night\0ly", labels={"who": "me"})
    submission = submit_jobs(
        db, (spec(media=(f"s3://a/{n}", f"s3://b/{n}"), labels={"n": str(n)}) for n in range(count)), batch=batch
    )
    assert (submission.accepted, submission.known, submission.models) == (count, 0, {"default"})
    views = [job_view(db, job_id) for job_id in submission.job_ids]
    assert [view.media for view in views] == [(f"s3://a/{n}", f"s3://b/{n}") for n in range(count)]
    assert [view.labels for view in views] == [{"n": str(n)} for n in range(count)]
    assert batch_counts(db, batch.id) == BatchStatus(queued=count)
    assert (batch_view(db, batch.id).name, batch_view(db, batch.id).labels) == ("nightly", {"who": "me"})


@SIZES
def test_settings_are_stored_as_json_that_sql_reads(db: Database, count: int) -> None:
    submit_jobs(db, [spec(str(n)) for n in range(count)])
    assert one(db, "SELECT count(*) FROM jobs WHERE tasks->1->'questions'->>0 = 'What?'") == count
    assert one(db, "SELECT count(*) FROM jobs WHERE (sampling->>'num_segments')::int = 8") == count


@SIZES
def test_equal_settings_in_different_objects_stay_with_their_own_jobs(db: Database, count: int) -> None:
    submit_jobs(db, (spec(str(n), tasks=(Ask(f"What is {n}?"),)) for n in range(count)))
    for number in range(count):
        assert take(db).spec.tasks == (Ask(f"What is {number}?"),)


@SIZES
def test_nul_in_questions_and_labels_does_not_break_the_insert(db: Database, count: int) -> None:
    odd = spec(tasks=(Ask("a\0b \\u0000 c"),), labels={"k\0": "v\0"})
    submit_jobs(db, [odd] * count)
    job = take(db)
    assert job.spec.tasks == (Ask("ab \\u0000 c"),)
    assert job.spec.labels == {"k": "v"}


@SIZES
def test_the_same_token_is_the_same_job_within_a_call_and_across_calls(db: Database, count: int) -> None:
    first = submit_jobs(db, [spec("old", client_token="t0")])
    specs = [spec(str(n), client_token=f"t{n // 2}") for n in range(count)]
    again = submit_jobs(db, specs)
    assert again.job_ids[:2] == first.job_ids * 2
    assert again.job_ids[2] == again.job_ids[3 if count > 3 else 2]
    assert len(set(again.job_ids)) == (count + 1) // 2
    assert again.accepted == (count + 1) // 2 - 1
    assert again.known == count - again.accepted
    assert one(db, "SELECT count(*) FROM jobs") == (count + 1) // 2
    assert one(db, "SELECT count(*) FROM media") == (count + 1) // 2
    assert job_view(db, first.job_ids[0]).media == ("s3://archive/old",)


def test_producers_that_send_the_same_tokens_at_once_in_any_order_agree_on_the_jobs(db: Database) -> None:
    tokens = [f"t{n}" for n in range(1500)]

    def submit_all(producer: int) -> dict[str, object]:
        order = tokens if producer % 2 else tokens[::-1]
        ids = submit_jobs(db, [spec(token, client_token=token) for token in order]).job_ids
        return dict(zip(order, ids, strict=True))

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(submit_all, range(4)))
    assert all(answer == answers[0] for answer in answers)
    assert one(db, "SELECT count(*) FROM jobs") == 1500


@SIZES
def test_an_unknown_model_is_refused_before_anything_is_inserted(db: Database, count: int) -> None:
    register_model(db, "internvl", path="p", revision=None, family="f", dtype="float32")
    specs = [*(spec(str(n)) for n in range(count - 1)), spec(model="intervnl")]
    with pytest.raises(UnknownModelError, match=r"intervnl.*default, internvl"):
        submit_jobs(db, specs, batch=NewBatch())
    assert one(db, "SELECT count(*) FROM jobs") == 0
    assert one(db, "SELECT count(*) FROM batches") == 0
    assert submit_jobs(db, [spec(model="internvl")]).models == {"internvl"}


@SIZES
def test_a_generator_that_fails_halfway_leaves_nothing_behind(db: Database, count: int) -> None:
    def broken() -> Iterator[JobSpec]:
        yield from (spec(str(n)) for n in range(count))
        raise ValueError("the manifest ends in the middle of a line")

    with pytest.raises(ValueError, match="manifest"):
        submit_jobs(db, broken(), batch=NewBatch())
    assert one(db, "SELECT count(*) FROM jobs") == 0


def test_thousands_of_jobs_stream_through_without_their_ids_being_kept(db: Database) -> None:
    batch = NewBatch()
    tasks = spec().tasks
    many = (JobSpec(media=(f"s3://a/{n}",), tasks=tasks) for n in range(3000))
    submission = submit_jobs(db, many, batch=batch, collect_ids=False)
    assert (submission.accepted, submission.job_ids) == (3000, ())
    assert one(db, "SELECT count(DISTINCT uri) FROM media") == 3000
    assert one(db, "SELECT count(*) FROM (SELECT uri, lag(uri) OVER (ORDER BY job_id) FROM media) AS m") == 3000


def test_an_empty_batch_is_a_batch_that_is_done(db: Database) -> None:
    batch = NewBatch()
    assert submit_jobs(db, [], batch=batch).accepted == 0
    assert batch_counts(db, batch.id).done


def test_ids_rise_within_a_process_even_in_a_burst() -> None:
    ids = [new_id() for _ in range(5000)]
    assert ids == sorted(ids)
    assert {(job_id.version, job_id.variant) for job_id in ids} == {(7, "specified in RFC 4122")}
