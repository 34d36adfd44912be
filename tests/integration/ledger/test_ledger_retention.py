"""Purging and forgetting: everything goes that is meant, nothing else does, whatever happens at the same time."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from reelmill.ledger import deletion
from reelmill.ledger import purge as purging
from reelmill.ledger.cancel import cancel, retry_failed
from reelmill.ledger.database import Database
from reelmill.ledger.deletion import Objects
from reelmill.ledger.fingerprint import FoundObject
from reelmill.ledger.finish import fail, succeed
from reelmill.ledger.forget import ForgetReport, forget_batch, forget_objects, forget_preview
from reelmill.ledger.heartbeat import heartbeat
from reelmill.ledger.pin import pin_media
from reelmill.ledger.purge import PurgeReport, PurgeSpec, purge, purge_for, purge_preview
from reelmill.ledger.scan_pages import ScanPage, advance_scan, settled_objects
from reelmill.ledger.scans import ScanCounts, claim_scan, finish_scan, start_scan
from reelmill.ledger.submit import NewBatch
from reelmill.ledger.workers import register_model
from reelmill.schema import Caption, JobState, PrefixSpec
from tests.integration.ledger.helpers import (
    LastingError,
    PassingError,
    count_results,
    one,
    result,
    spec,
    submit,
    take,
)

OLD = PurgeSpec(timedelta(days=90))
EVERYTHING = PurgeSpec(timedelta(0))
ARCHIVE = PrefixSpec(prefix="s3://archive/night/", tasks=(Caption(),))
NOTHING_LEFT = "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM media) + (SELECT count(*) FROM attempts)"


@pytest.fixture(autouse=True)
def _no_memory(db: Database) -> None:
    with db.transaction() as connection:
        connection.execute(text("DELETE FROM purged_fingerprints"))


def done(db: Database, name: str = "a", *, days_ago: float = 0, **fields: Any) -> UUID:
    """A job that succeeded so long ago."""
    batch = fields.pop("batch", None)
    (job_id,) = submit(db, spec(name, **fields), batch=batch)
    job = take(db)
    assert job.job_id == job_id
    assert succeed(db, job.lease, result(media_count=len(job.media)))
    ended(db, job_id, days_ago)
    return job_id


def ended(db: Database, job_id: UUID, days_ago: float) -> None:
    with db.transaction() as connection:
        connection.execute(
            text("UPDATE jobs SET finished_at = finished_at - make_interval(secs => :s) WHERE id = :id"),
            {"id": job_id, "s": days_ago * 86400},
        )


def jobs(db: Database) -> set[UUID]:
    with db.transaction() as connection:
        return set(connection.scalars(text("SELECT id FROM jobs")))


def test_old_jobs_go_with_everything_that_hangs_on_them_and_younger_ones_stay(db: Database) -> None:
    old, young = done(db, "old", days_ago=91), done(db, "young", days_ago=89)
    (queued,) = submit(db, spec("queued"))
    assert purge_preview(db, OLD) == PurgeReport(jobs=1, shared=0, batches=0)
    assert jobs(db) == {old, young, queued}, "a preview deletes nothing"
    assert purge(db, OLD) == PurgeReport(jobs=1, shared=0, batches=0)
    assert jobs(db) == {young, queued}
    assert set(count_results(db, old).values()) == {0}
    assert all(count_results(db, young).values())
    assert one(db, "SELECT count(*) FROM media WHERE job_id = :id", id=old) == 0
    assert one(db, "SELECT count(*) FROM attempts WHERE job_id = :id", id=old) == 0
    assert purge(db, OLD).jobs == 0


def test_what_has_not_ended_is_never_purged(db: Database) -> None:
    submit(db, spec("queued"), spec("running"))
    take(db)
    assert purge(db, EVERYTHING).jobs == 0
    assert len(jobs(db)) == 2


def test_states_batches_and_objects_narrow_a_purge(db: Database) -> None:
    batch = NewBatch()
    first = done(db, "2026/a", batch=batch)
    other = done(db, "2026/b")
    (failed,) = submit(db, spec("2025/c"))
    assert fail(db, take(db).lease, LastingError("broken"))
    of_prefix = PurgeSpec(timedelta(0), objects=Objects(prefix="s3://archive/2026/"))
    of_uri = PurgeSpec(timedelta(0), objects=Objects(uris=("s3://archive/2025/c",)))
    for narrowed, meant in (
        (PurgeSpec(timedelta(0), states=(JobState.FAILED,)), {failed}),
        (PurgeSpec(timedelta(0), batch_id=batch.id), {first}),
        (of_prefix, {first, other}),
        (of_uri, {failed}),
        (PurgeSpec(timedelta(days=1), objects=of_prefix.objects), set()),
    ):
        assert purge_preview(db, narrowed).jobs == len(meant)
    assert purge(db, PurgeSpec(timedelta(0), states=(JobState.FAILED,))).jobs == 1
    assert jobs(db) == {first, other}
    assert purge(db, PurgeSpec(timedelta(0), batch_id=batch.id)) == PurgeReport(1, 0, batches=1)
    assert jobs(db) == {other}
    assert purge(db, of_prefix).jobs == 1


def test_a_prefix_means_what_it_says_whatever_characters_are_in_it(db: Database) -> None:
    for name in ("a%b/1", "a%b/\U0001f600", "aXb/1", "a%", "a_b/1"):
        done(db, name)
    assert purge(db, PurgeSpec(timedelta(0), objects=Objects(prefix="s3://archive/a%b/"))).jobs == 2
    assert len(jobs(db)) == 3


def test_batches_that_have_become_empty_go_and_those_that_will_still_get_jobs_stay(db: Database) -> None:
    register_model(db, "default", path="p", revision=None, family="internvl", dtype="float32")
    emptied, listed = NewBatch(), NewBatch()
    done(db, batch=emptied)
    start_scan(db, ARCHIVE, listed)
    assert purge_preview(db, EVERYTHING).batches == 1
    assert purge(db, EVERYTHING) == PurgeReport(jobs=1, shared=0, batches=1)
    assert one(db, "SELECT id FROM batches") == listed.id


def test_a_purge_that_is_cut_off_goes_on_where_it_stopped(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "CHUNK_JOBS", 2)
    monkeypatch.setattr(purging, "CHUNK_JOBS", 2)
    monkeypatch.setattr(purging, "PAGE_JOBS", 4)
    for number in range(9):
        done(db, str(number), days_ago=number % 3)

    def stop(jobs: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        purge(db, EVERYTHING, told=stop)
    assert len(jobs(db)) == 7
    bite = purge_for(db, EVERYTHING, seconds=0).jobs
    assert bite in (1, 2)
    told: list[int] = []
    assert purge(db, EVERYTHING, told=told.append).jobs == 7 - bite
    assert told[-1] == 7 - bite
    assert one(db, NOTHING_LEFT) == 0


def test_a_job_that_is_being_retried_is_left_and_does_not_hold_the_purge_up(db: Database) -> None:
    (retried,) = submit(db, spec("a"))
    assert fail(db, take(db).lease, LastingError("broken"))
    done(db, "b")
    with db.transaction() as connection:
        connection.execute(text("SELECT FROM jobs WHERE id = :id FOR NO KEY UPDATE"), {"id": retried})
        assert purge(db, EVERYTHING).jobs == 1
    assert retry_failed(db, job_ids=[retried]) == 1
    assert purge(db, EVERYTHING).jobs == 0
    assert jobs(db) == {retried}


def test_claims_heartbeats_and_finishes_go_on_beside_a_purge(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "CHUNK_JOBS", 3)
    names = [str(number) for number in range(40)]
    submit(db, *(spec(name) for name in names))
    worked: list[UUID] = []

    def work(worker: str) -> None:
        while len(worked) < len(names):
            try:
                job = take(db, worker)
            except AssertionError:
                return
            assert heartbeat(db, worker, [job.lease_token], lease_s=60).alive == {job.lease_token}
            assert succeed(db, job.lease, result())
            worked.append(job.job_id)

    workers = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(3)]
    for worker in workers:
        worker.start()
    purged = 0
    while any(worker.is_alive() for worker in workers):
        purged += purge(db, EVERYTHING).jobs
    for worker in workers:
        worker.join()
    purged += purge(db, EVERYTHING).jobs
    assert (len(set(worked)), purged) == (40, 40)
    assert one(db, NOTHING_LEFT) == 0


def scanned(db: Database, *names: str, archive: PrefixSpec = ARCHIVE) -> ScanCounts:
    """An archive is listed once more."""
    register_model(db, "default", path="p", revision=None, family="internvl", dtype="float32")
    start_scan(db, archive, NewBatch())
    scan = claim_scan(db, "w1", lease_s=60)
    assert scan is not None
    found = [FoundObject(f"s3://archive/night/{name}", f'"{name[0]}"', 10) for name in names]
    scan = advance_scan(db, scan, ScanPage(found, "c", len(found)), lease_s=60)
    assert scan is not None
    assert finish_scan(db, scan.lease)
    return scan.counts


def test_a_run_over_an_archive_leaves_purged_objects_out_unless_it_is_told_to_do_all(db: Database) -> None:
    assert scanned(db, "a", "b", "c", "d").accepted == 4
    assert succeed(db, take(db).lease, result())
    assert fail(db, take(db).lease, LastingError("broken"))
    cancelled = take(db).job_id
    cancel(db, job_ids=[cancelled])
    with db.transaction() as connection:
        connection.execute(
            text("UPDATE jobs SET transient_failures = 4 WHERE state = 'queued' OR cancel_requested_at IS NOT NULL")
        )
    assert fail(db, take(db).lease, PassingError("storage")) == "failed"
    purge(db, EVERYTHING)
    again = scanned(db, "a", "b", "d", "e")
    assert (again.accepted, dict(again.skipped)) == (2, {"done": 1, "failed": 1}), "d failed for a passing reason"
    found = [FoundObject(f"s3://archive/night/{name}", f'"{name}"', 10) for name in "abe"]
    assert set(settled_objects(db, ARCHIVE, found)) == {found[0].uri, found[1].uri, found[2].uri}
    everything = ARCHIVE.model_copy(update={"only_new": False})
    assert settled_objects(db, everything, found) == {found[2].uri: "active"}
    assert scanned(db, "a", "b", archive=everything).accepted == 2


def test_purged_content_is_left_out_at_every_key_that_has_it(db: Database) -> None:
    content = ARCHIVE.model_copy(update={"dedupe": "content"})
    assert scanned(db, "a", archive=content).accepted == 1
    assert succeed(db, take(db).lease, result())
    purge(db, EVERYTHING)
    again = scanned(db, "a", "a2", "b", archive=content)
    assert (again.accepted, dict(again.skipped)) == (1, {"done": 2})


def test_forgetting_an_object_leaves_no_trace_of_it_in_any_table(db: Database) -> None:
    uri = "s3://archive/night/anna.jpg"
    assert scanned(db, "anna.jpg", "bob.jpg").accepted == 2
    assert succeed(db, take(db).lease, result())
    submit(db, spec("x", media=(uri, "s3://archive/night/both.jpg")))
    submit(db, spec("x", media=("s3://archive/night/anna.jpg.bak",)))
    with db.transaction() as connection:
        connection.execute(
            text("INSERT INTO duplicates (job_id, uri) SELECT job_id, :uri FROM media WHERE uri LIKE '%bob.jpg'"),
            {"uri": uri},
        )
        connection.execute(
            text("INSERT INTO scan_problems SELECT id, 1, :uri, 'cannot be read' FROM scans"), {"uri": uri}
        )
        connection.execute(text("UPDATE scans SET cursor = 'night/anna.jpg'"))
    objects = Objects(uris=(uri,))
    told = ForgetReport(jobs=2, stopped=1, shared=1, duplicates=1)
    assert forget_preview(db, objects) == told
    assert forget_objects(db, objects) == told
    tables = one(db, "SELECT array_agg(tablename::text) FROM pg_tables WHERE schemaname = 'public'")
    for table in tables:
        mentions = f"SELECT count(*) FROM {table} AS t WHERE replace(t::text, 'anna.jpg.bak', '') LIKE '%anna.jpg%'"
        assert one(db, mentions) == 0, table
    assert one(db, "SELECT count(*) FROM media WHERE uri LIKE '%both.jpg'") == 0, "shown together, forgotten together"
    assert one(db, "SELECT count(*) FROM jobs") == 2
    assert one(db, "SELECT count(*) FROM purged_fingerprints") == 0
    assert scanned(db, "anna.jpg").accepted == 1, "what still lies in the archive is new"


def test_a_worker_whose_job_is_forgotten_hears_of_it_and_writes_nothing(db: Database) -> None:
    submit(db, spec("a"))
    job = take(db)
    assert forget_objects(db, Objects(uris=("s3://archive/a",))) == ForgetReport(1, 1, 0, 0)
    assert heartbeat(db, "w1", [job.lease_token], lease_s=60).alive == frozenset()
    assert not pin_media(db, job.lease, [])
    assert not succeed(db, job.lease, result())
    assert fail(db, job.lease, PassingError("late")) is None
    assert one(db, NOTHING_LEFT) == 0
    assert sum(count_results(db, job.job_id).values()) == 0


def test_forgetting_waits_for_a_finish_under_way_and_takes_what_it_wrote(db: Database) -> None:
    submit(db, spec("a"))
    job = take(db)
    with db.transaction() as connection:
        connection.execute(text("SELECT FROM jobs WHERE id = :id FOR NO KEY UPDATE"), {"id": job.job_id})
        forgetting = threading.Thread(target=forget_objects, args=(db, Objects(uris=("s3://archive/a",))))
        forgetting.start()
        connection.execute(
            text(
                "INSERT INTO captions (job_id, segment, task, text, raw_text, finish_reason, prompt_tokens,"
                " output_tokens) VALUES (:id, 0, 0, 'a', 'a', 'stop', 1, 1)"
            ),
            {"id": job.job_id},
        )
        forgetting.join(timeout=0.2)
        assert forgetting.is_alive()
    forgetting.join(timeout=30)
    assert one(db, NOTHING_LEFT) == 0
    assert one(db, "SELECT count(*) FROM captions") == 0


def test_forgetting_a_batch_stops_its_scan_and_its_jobs_and_leaves_others_alone(db: Database) -> None:
    register_model(db, "default", path="p", revision=None, family="internvl", dtype="float32")
    kept = done(db, "kept")
    batch = NewBatch()
    start_scan(db, ARCHIVE, batch)
    scan = claim_scan(db, "w1", lease_s=60)
    assert scan is not None
    page = ScanPage([FoundObject(f"s3://archive/night/{n}", "e", 1) for n in range(3)], "c", 3)
    scan = advance_scan(db, scan, page, lease_s=60)
    assert scan is not None
    assert succeed(db, take(db).lease, result())
    running = take(db)
    assert forget_preview(db, Objects(), batch_id=batch.id) == ForgetReport(3, 2, 0, 0)
    assert forget_batch(db, batch.id) == ForgetReport(3, 2, 0, 0)
    assert advance_scan(db, scan, page, lease_s=60) is None
    assert not succeed(db, running.lease, result())
    assert jobs(db) == {kept}
    assert one(db, "SELECT (SELECT count(*) FROM batches) + (SELECT count(*) FROM scans)") == 0
