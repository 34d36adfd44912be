"""Scans: fenced and resumable, each fingerprint active once, and only what is new becomes a job."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from reelmill.errors import ArchiveError, ArchiveUnavailableError, SpecError, UnknownModelError
from reelmill.ledger.cancel import cancel, retry_failed
from reelmill.ledger.database import Database
from reelmill.ledger.fingerprint import Fingerprints, FoundObject
from reelmill.ledger.finish import acknowledge_cancel, fail, succeed
from reelmill.ledger.scan_pages import ScanPage, advance_scan
from reelmill.ledger.scans import (
    MAX_TRIES,
    ClaimedScan,
    ScanCounts,
    claim_scan,
    fail_scan,
    finish_scan,
    list_scans,
    release_scan,
    scan_view,
    start_scan,
)
from reelmill.ledger.submit import NewBatch
from reelmill.ledger.workers import register_model
from reelmill.schema import Ask, Caption, PrefixSpec, ScanState
from tests.integration.ledger.helpers import LastingError, PassingError, one, result, take
from worker.errors import AccessDeniedError

SPEC = PrefixSpec(prefix="s3://archive/night/", tasks=(Caption(),), labels={"run": "1"})


@pytest.fixture
def scans_db(db: Database) -> Database:
    serve(db)
    return db


def serve(db: Database, **changed: str) -> None:
    facts = {"path": "org/model", "revision": "r1", "family": "internvl", "dtype": "bfloat16", **changed}
    register_model(db, "default", **facts)  # type: ignore[arg-type]


def found(name: str, etag: str = "e1", size: int = 10) -> FoundObject:
    return FoundObject(f"s3://archive/night/{name}", f'"{etag}"', size)


def page(*objects: FoundObject, cursor: str = "c", **fields: Any) -> ScanPage:
    return ScanPage(objects, cursor, fields.pop("listed", len(objects)), **fields)


def begun(db: Database, spec: PrefixSpec = SPEC) -> ClaimedScan:
    start_scan(db, spec, NewBatch())
    scan = claim_scan(db, "w1", lease_s=60)
    assert scan is not None
    return scan


def scan_once(db: Database, *objects: FoundObject, spec: PrefixSpec = SPEC) -> ScanCounts:
    scan = advance_scan(db, begun(db, spec), page(*objects), lease_s=60)
    assert scan is not None
    assert finish_scan(db, scan.lease)
    return scan.counts


def expire(db: Database) -> None:
    """As if whoever holds the scan had been silent for longer than its lease."""
    with db.transaction() as connection:
        connection.execute(
            text("UPDATE scans SET lease_expires_at = now() - interval '1 s', lease_s = 0 WHERE state = 'running'")
        )


def media(db: Database) -> list[tuple[str, str, int]]:
    with db.transaction() as connection:
        rows = connection.execute(text("SELECT uri, etag, size_bytes FROM media ORDER BY uri, etag")).all()
    return [tuple(row) for row in rows]  # type: ignore[misc]


def test_a_page_becomes_jobs_with_the_versions_that_were_listed(scans_db: Database) -> None:
    counts = scan_once(scans_db, found("a", "e1", 5), found("b", "e2", 7))
    assert counts == ScanCounts(listed=2, matched=2, accepted=2, accepted_bytes=12)
    assert media(scans_db) == [("s3://archive/night/a", '"e1"', 5), ("s3://archive/night/b", '"e2"', 7)]
    job = take(scans_db)
    assert (job.spec.tasks, job.spec.labels, job.media[0].etag) == (SPEC.tasks, {"run": "1"}, '"e1"')


def test_the_jobs_the_cursor_and_the_counts_move_together_and_the_next_claim_goes_on_there(scans_db: Database) -> None:
    scan = begun(scans_db)
    first = page(found("a"), cursor="a", listed=5, skipped={"excluded": 4})
    scan = advance_scan(scans_db, scan, first, lease_s=0) or pytest.fail("lost")
    assert claim_scan(scans_db, "w2", lease_s=60) is not None, "a lease that ran out is taken over"
    assert advance_scan(scans_db, scan, page(found("b")), lease_s=60) is None
    assert finish_scan(scans_db, scan.lease) is False
    assert one(scans_db, "SELECT count(*) FROM jobs") == 1
    expire(scans_db)
    second = claim_scan(scans_db, "w3", lease_s=60)
    assert second is not None
    assert (second.cursor, second.counts) == ("a", ScanCounts(5, 1, 1, 10, {"excluded": 4}))
    second = advance_scan(scans_db, second, page(found("b"), cursor="b"), lease_s=60) or pytest.fail("lost")
    assert (second.counts.listed, second.counts.accepted) == (6, 2)


def test_a_scan_that_is_held_is_nobody_elses(scans_db: Database) -> None:
    begun(scans_db)
    assert claim_scan(scans_db, "w2", lease_s=60) is None


def test_a_released_scan_is_taken_up_at_once_and_counts_no_try(scans_db: Database) -> None:
    for _ in range(MAX_TRIES + 3):
        scan = claim_scan(scans_db, "w1", lease_s=60) or begun(scans_db)
        assert release_scan(scans_db, scan.lease)
    assert claim_scan(scans_db, "w1", lease_s=60) is not None


def test_a_scan_whose_workers_are_lost_again_and_again_fails(scans_db: Database) -> None:
    scan = begun(scans_db)
    for _ in range(MAX_TRIES):
        expire(scans_db)
        claim_scan(scans_db, "w1", lease_s=60)
    view = scan_view(scans_db, scan.batch_id)
    assert view is not None
    assert (view.state, view.error_code) == (ScanState.FAILED, "scan_stalled")


def test_passing_errors_queue_a_scan_again_and_lasting_ones_fail_it(scans_db: Database) -> None:
    scan = begun(scans_db)
    assert fail_scan(scans_db, scan.lease, ArchiveUnavailableError("503", subject="s3://archive")) == ScanState.QUEUED
    assert claim_scan(scans_db, "w1", lease_s=60) is None, "not before its time"
    with scans_db.transaction() as connection:
        connection.execute(text("UPDATE scans SET run_at = now()"))
    again = claim_scan(scans_db, "w1", lease_s=60)
    assert again is not None
    assert fail_scan(scans_db, again.lease, ArchiveError("no such bucket", subject="s3://archive")) == ScanState.FAILED
    view = scan_view(scans_db, scan.batch_id)
    assert view is not None
    assert (view.error_code, view.error_message) == ("archive_unreadable", "s3://archive: no such bucket")
    assert list_scans(scans_db)[0] == view


def test_cancelling_the_batch_stops_its_scan_and_a_retry_goes_on(scans_db: Database) -> None:
    scan = advance_scan(scans_db, begun(scans_db), page(found("a"), cursor="a"), lease_s=60) or pytest.fail("lost")
    assert cancel(scans_db, batch_id=scan.batch_id) == 1
    assert advance_scan(scans_db, scan, page(found("b")), lease_s=60) is None
    assert one(scans_db, "SELECT string_agg(state, ',') FROM jobs") == "cancelled"
    assert retry_failed(scans_db, batch_id=scan.batch_id) == 1
    resumed = claim_scan(scans_db, "w1", lease_s=60)
    assert resumed is not None
    assert resumed.cursor == "a"


def test_what_is_waiting_running_done_or_bad_for_good_is_not_asked_again(scans_db: Database) -> None:
    objects = [found(name) for name in ("a", "b", "c", "d", "e", "f")]
    scan_once(scans_db, *objects)
    jobs = [take(scans_db) for _ in range(6)]
    by_name = {job.media[0].uri[-1]: job for job in jobs}
    succeed(scans_db, by_name["a"].lease, result())
    fail(scans_db, by_name["b"].lease, LastingError("not media"))
    cancel(scans_db, job_ids=[by_name["c"].job_id])
    with scans_db.transaction() as connection:
        connection.execute(text("UPDATE jobs SET max_attempts = 1 WHERE id = :id"), {"id": by_name["d"].job_id})
    fail(scans_db, by_name["d"].lease, PassingError("503"))
    fail(scans_db, by_name["e"].lease, AccessDeniedError("403"))
    acknowledge_cancel(scans_db, by_name["c"].lease)
    counts = scan_once(scans_db, *objects)
    assert (counts.accepted, dict(counts.skipped)) == (3, {"active": 1, "done": 1, "failed": 1})
    again = one(
        scans_db,
        "SELECT string_agg(right(uri, 1), '' ORDER BY uri) FROM jobs JOIN media ON id = job_id WHERE state = 'queued'",
    )
    assert again == "cde"


def test_force_asks_again_except_what_is_active(scans_db: Database) -> None:
    objects = [found("a"), found("b")]
    scan_once(scans_db, *objects)
    succeed(scans_db, take(scans_db).lease, result())
    counts = scan_once(scans_db, *objects, spec=SPEC.model_copy(update={"only_new": False}))
    assert (counts.accepted, dict(counts.skipped)) == (1, {"active": 1})


@pytest.mark.parametrize(
    "changed",
    [
        {"tasks": (Ask("What?"),)},
        {"sampling": {"num_segments": 4}},
        {"sampling": {"resize": "fast"}},
        {"generation": {"max_new_tokens": 9}},
    ],
)
def test_whatever_changes_the_answer_makes_the_object_new(scans_db: Database, changed: dict[str, Any]) -> None:
    scan_once(scans_db, found("a"))
    other = PrefixSpec.model_validate({**SPEC.model_dump(mode="json"), **changed})
    assert scan_once(scans_db, found("a"), spec=other).accepted == 1


@pytest.mark.parametrize("changed", [{"revision": "r2"}, {"dtype": "float16"}, {"path": "org/other"}])
def test_another_checkpoint_under_the_same_name_makes_all_new(scans_db: Database, changed: dict[str, str]) -> None:
    scan_once(scans_db, found("a"))
    serve(scans_db, **changed)
    assert scan_once(scans_db, found("a")).accepted == 1


def test_filters_labels_and_priority_do_not_make_an_object_new(scans_db: Database) -> None:
    scan_once(scans_db, found("a"))
    other = SPEC.model_copy(update={"labels": {}, "priority": 3, "include": ("*",), "prefix": "s3://archive/"})
    assert scan_once(scans_db, found("a"), spec=other).accepted == 0


@pytest.mark.parametrize("replaced", [found("a", "e2"), found("a", "e1", 11), replace(found("a"), version_id="v2")])
def test_a_replaced_object_is_new(scans_db: Database, replaced: FoundObject) -> None:
    scan_once(scans_db, found("a"))
    assert scan_once(scans_db, replaced).accepted == 1


def test_equal_content_is_answered_once_and_the_other_keys_point_to_it(scans_db: Database) -> None:
    spec = SPEC.model_copy(update={"dedupe": "content"})
    counts = scan_once(scans_db, found("a"), found("b"), found("c", "e2"), spec=spec)
    assert (counts.accepted, dict(counts.skipped)) == (2, {"duplicate": 1})
    while one(scans_db, "SELECT count(*) FROM jobs WHERE state = 'queued'"):
        succeed(scans_db, take(scans_db).lease, result("said once"))
    counts = scan_once(scans_db, found("a"), found("b"), found("later"), spec=spec)
    assert (counts.accepted, dict(counts.skipped)) == (0, {"done": 1, "duplicate": 2})
    answered = one(
        scans_db,
        "SELECT string_agg(right(uri, 1) || text, ',' ORDER BY uri) FROM duplicates JOIN captions USING (job_id)"
        " WHERE segment = 0",
    )
    assert answered == "bsaid once,rsaid once"


def test_a_limit_holds_across_pages(scans_db: Database) -> None:
    scan = begun(scans_db, SPEC.model_copy(update={"limit": 3}))
    for names in ("ab", "cd", "ef"):
        scan = advance_scan(scans_db, scan, page(*map(found, names)), lease_s=60) or pytest.fail("lost")
    assert (scan.counts.accepted, dict(scan.counts.skipped)) == (3, {"over_limit": 3})
    assert [uri[-1] for uri, *_ in media(scans_db)] == ["a", "b", "c"]


def test_a_retry_never_makes_a_second_active_job_of_one_fingerprint(scans_db: Database) -> None:
    for _ in range(2):
        scan_once(scans_db, found("a"))
        cancel(scans_db, job_ids=[one(scans_db, "SELECT id FROM jobs WHERE state = 'queued'")])
    ids = [one(scans_db, f"SELECT id FROM jobs ORDER BY id OFFSET {n} LIMIT 1") for n in (0, 1)]
    assert retry_failed(scans_db, job_ids=ids) == 1
    assert retry_failed(scans_db, job_ids=ids) == 0
    assert one(scans_db, "SELECT state FROM jobs ORDER BY id DESC LIMIT 1") == "queued", "the newer one"


def test_a_scan_waits_until_its_model_was_served_once(db: Database) -> None:
    start_scan(db, SPEC, NewBatch())
    assert claim_scan(db, "w1", lease_s=60) is None
    serve(db)
    assert claim_scan(db, "w1", lease_s=60) is not None


def test_a_model_that_nobody_serves_is_refused_and_leaves_nothing(db: Database) -> None:
    with pytest.raises(UnknownModelError, match="typo"):
        start_scan(db, SPEC.model_copy(update={"model": "typo"}), NewBatch())
    assert one(db, "SELECT count(*) FROM batches") == 0


def test_directories_are_listed_only_by_those_who_may_read_them(scans_db: Database) -> None:
    start_scan(scans_db, PrefixSpec(prefix="file:///srv/media/night", tasks=(Caption(),)), NewBatch())
    assert claim_scan(scans_db, "w1", lease_s=60) is None
    assert claim_scan(scans_db, "w1", lease_s=60, file_roots=["file:///srv/med"]) is None
    assert claim_scan(scans_db, "w1", lease_s=60, file_roots=["file:///srv/media"]) is not None


@pytest.mark.parametrize("prefix", ["https://example.org/a", "s3://", "archive/night", "file://relative"])
def test_a_prefix_that_nobody_can_list_is_refused(prefix: str) -> None:
    with pytest.raises(SpecError, match="prefix"):
        PrefixSpec(prefix=prefix, tasks=(Caption(),))


def test_odd_names_have_fingerprints_of_their_own() -> None:
    prints = Fingerprints(SPEC, {})
    names = ["a", "a\n", "ä", "a\u0308", "\ud800", "a,b", 'a","b']
    assert len({prints.of(found(name)) for name in names}) == len(names)
