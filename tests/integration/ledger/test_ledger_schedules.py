"""Each time that a schedule is due makes one batch and one scan, or an entry that says why not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from reelmill.errors import NameTakenError, NotFoundError, ScheduleBusyError, SpecError, UnknownModelError
from reelmill.ledger.database import Database
from reelmill.ledger.scans import cancel_scan
from reelmill.ledger.schedule_history import ScheduleRun, schedule_history
from reelmill.ledger.schedule_ticks import run_schedule_now, start_due_schedules
from reelmill.ledger.schedules import (
    add_schedule,
    list_schedules,
    overdue_schedules,
    pause_schedule,
    remove_schedule,
    resume_schedule,
    schedule_view,
)
from reelmill.schema import Ask, Caption, PrefixSpec
from reelmill.schema.schedule import CatchUp, Overlap, ScheduleSpec
from tests.integration.ledger.helpers import one, spec, submit

ARCHIVE = PrefixSpec(prefix="s3://archive/nightly/", tasks=(Caption(), Ask("Is it raining?")), labels={"k": "v"})


@pytest.fixture(autouse=True)
def _no_schedules(db: Database) -> Iterator[None]:
    yield
    with db.transaction() as connection:
        connection.execute(text("DELETE FROM schedules"))


def nightly(**fields: Any) -> ScheduleSpec:
    given = {"name": "nightly", "cron": "0 2 * * *", "timezone": "Europe/Berlin", "archive": ARCHIVE, **fields}
    return ScheduleSpec(**given)


def make_due(db: Database, ago: timedelta = timedelta(seconds=1), name: str = "nightly") -> datetime:
    """As if the clock had come to its next time, so long ago; returns that time."""
    statement = "UPDATE schedules SET next_run_at = now() - :ago WHERE name = :name RETURNING next_run_at"
    with db.transaction() as connection:
        due: datetime = connection.execute(text(statement), {"ago": ago, "name": name}).scalar_one()
    return due


def history(db: Database, name: str = "nightly") -> list[ScheduleRun]:
    """Oldest first."""
    return list(reversed(schedule_history(db, name)))


def end_batch(db: Database, batch_id: UUID | None) -> None:
    assert batch_id is not None
    assert cancel_scan(db, batch_id)


def test_nothing_is_started_before_its_time(db: Database) -> None:
    add_schedule(db, nightly())
    assert start_due_schedules(db).started == 0
    view = schedule_view(db, "nightly")
    now = one(db, "SELECT now()")
    assert view.next_run_at is not None
    assert now < view.next_run_at <= now + timedelta(hours=25)
    assert PrefixSpec.model_validate(view.archive) == ARCHIVE
    assert (view.overlap, view.catch_up, view.last_run) == ("skip", "latest", None)


def test_a_time_that_is_due_makes_one_batch_with_one_scan_of_the_template(db: Database) -> None:
    add_schedule(db, nightly())
    due = make_due(db)
    assert start_due_schedules(db).started == 1
    assert start_due_schedules(db).started == 0
    (run,) = history(db)
    assert (run.tick_at, run.state, run.by_hand, run.ticks) == (due, "scanning", False, 1)
    assert (run.listed, run.accepted, run.skipped, run.succeeded, run.failed) == (0, 0, 0, 0, 0)
    assert one(db, "SELECT count(*) FROM batches") == 1
    assert one(db, "SELECT spec FROM scans WHERE batch_id = :id", id=run.batch_id) == ARCHIVE.model_dump(mode="json")
    assert one(db, "SELECT name FROM batches").startswith("nightly ")
    assert one(db, "SELECT labels FROM batches") == {"schedule": "nightly", "tick": due.isoformat()}
    view = schedule_view(db, "nightly")
    assert view.next_run_at is not None
    assert view.next_run_at > one(db, "SELECT now()")
    assert view.last_run == run


def test_however_many_look_at_once_there_is_one_batch_per_time(db: Database) -> None:
    names = [f"s{number}" for number in range(6)]
    for name in names:
        add_schedule(db, nightly(name=name, overlap="allow"))
    with ThreadPoolExecutor(8) as threads:
        for _ in range(4):
            for name in names:
                make_due(db, name=name)
            started = sum(report.started for report in threads.map(lambda _: start_due_schedules(db), range(8)))
            # A row that somebody holds is passed over: whoever holds it, has started it.
            assert started == len(names)
    for name in names:
        assert [run.state for run in history(db, name)] == ["scanning"] * 4
    assert one(db, "SELECT count(*) FROM batches") == one(db, "SELECT count(*) FROM scans") == 24


def test_a_time_whose_run_is_in_the_history_is_not_started_again(db: Database) -> None:
    add_schedule(db, nightly(overlap="allow"))
    due = make_due(db)
    start_due_schedules(db)
    with db.transaction() as connection:
        connection.execute(text("UPDATE schedules SET next_run_at = :due"), {"due": due})
    report = start_due_schedules(db)
    assert (report.started, report.problems) == (0, {})
    assert one(db, "SELECT count(*) FROM batches") == 1
    assert one(db, "SELECT next_run_at > now() FROM schedules")


def test_of_several_missed_times_the_latest_runs_and_the_others_are_noted(db: Database) -> None:
    add_schedule(db, nightly(cron="@hourly", timezone="UTC"))
    due = make_due(db, timedelta(hours=3, minutes=30))
    report = start_due_schedules(db)
    missed, run = history(db)
    assert (report.started, report.skipped) == (1, missed.ticks)
    assert (missed.state, missed.reason, missed.tick_at, missed.batch_id) == ("skipped", "missed", due, None)
    assert (run.state, run.tick_at.minute) == ("scanning", 0)
    assert one(db, "SELECT now()") - run.tick_at < timedelta(hours=1)


def test_a_schedule_that_makes_up_for_none_notes_what_it_missed(db: Database) -> None:
    add_schedule(db, nightly(catch_up="none"))
    make_due(db, timedelta(hours=1))
    assert start_due_schedules(db).started == 0
    assert [(run.state, run.reason) for run in history(db)] == [("skipped", "missed")]
    make_due(db, timedelta(minutes=1))
    assert start_due_schedules(db).started == 1


def test_a_schedule_that_makes_up_for_all_has_a_batch_for_each(db: Database) -> None:
    add_schedule(db, nightly(cron="@hourly", overlap=Overlap.ALLOW, catch_up=CatchUp.ALL))
    make_due(db, timedelta(hours=2, minutes=30))
    report = start_due_schedules(db)
    runs = history(db)
    assert report.started == len(runs) == len({run.batch_id for run in runs}) >= 3
    assert {run.state for run in runs} == {"scanning"}


def test_a_run_on_top_of_an_unfinished_batch_is_refused_and_noted(db: Database) -> None:
    add_schedule(db, nightly())
    make_due(db)
    start_due_schedules(db)
    make_due(db)
    assert start_due_schedules(db).skipped == 1
    first, second = history(db)
    assert (first.state, second.state, second.reason) == ("scanning", "skipped", "overlap")
    end_batch(db, first.batch_id)
    (job,) = submit(db, spec())
    with db.transaction() as connection:
        connection.execute(text("UPDATE jobs SET batch_id = :batch"), {"batch": first.batch_id})
    make_due(db)
    assert start_due_schedules(db).skipped == 1, "its scan has ended, a job of it has not"
    with db.transaction() as connection:
        connection.execute(text("UPDATE jobs SET state = 'cancelled' WHERE id = :id"), {"id": job})
    make_due(db)
    assert start_due_schedules(db).started == 1


def test_runs_overlap_where_that_is_allowed(db: Database) -> None:
    add_schedule(db, nightly(overlap="allow"))
    for _ in range(2):
        make_due(db)
        assert start_due_schedules(db).started == 1


def test_each_run_tells_the_schedules_webhook(db: Database) -> None:
    add_schedule(db, nightly(webhook="https://example.org/a"))
    make_due(db)
    start_due_schedules(db)
    (run,) = history(db)
    assert one(db, "SELECT url || ' ' || state FROM notifications WHERE batch_id = :id", id=run.batch_id) == (
        "https://example.org/a waiting"
    )
    with pytest.raises(SpecError, match="webhook"):
        nightly(webhook="example.org/a")


def test_by_hand_a_run_starts_at_once_and_obeys_overlap(db: Database) -> None:
    add_schedule(db, nightly())
    before = schedule_view(db, "nightly").next_run_at
    pause_schedule(db, "nightly")
    batch = run_schedule_now(db, "nightly")
    (run,) = history(db)
    assert (run.batch_id, run.by_hand, run.state) == (batch, True, "scanning")
    with pytest.raises(ScheduleBusyError, match=str(batch)):
        run_schedule_now(db, "nightly")
    resume_schedule(db, "nightly")
    assert schedule_view(db, "nightly").next_run_at == before
    make_due(db)
    start_due_schedules(db)
    assert [run.reason for run in history(db)] == ["overlap", None]


def test_a_paused_schedule_does_not_run_and_a_pause_misses_nothing(db: Database) -> None:
    add_schedule(db, nightly(cron="* * * * *"))
    make_due(db)
    assert pause_schedule(db, "nightly")
    assert not pause_schedule(db, "nightly")
    assert start_due_schedules(db).started == 0
    with db.transaction() as connection:
        connection.execute(text("UPDATE schedules SET paused_at = now() - interval '3 days'"))
    assert resume_schedule(db, "nightly")
    assert not resume_schedule(db, "nightly")
    view = schedule_view(db, "nightly")
    assert view.next_run_at is not None
    assert view.next_run_at > one(db, "SELECT now() - interval '1 minute'")
    assert history(db) == []


def test_a_name_is_taken_once_and_can_be_replaced_with_its_history_kept(db: Database) -> None:
    add_schedule(db, nightly())
    run_schedule_now(db, "nightly")
    with pytest.raises(NameTakenError, match="--replace"):
        add_schedule(db, nightly(cron="@hourly"))
    assert schedule_view(db, "nightly").cron == "0 2 * * *"
    add_schedule(db, nightly(cron="@hourly", overlap="allow"), replace=True)
    view = schedule_view(db, "nightly")
    assert (view.cron, view.overlap, len(history(db))) == ("@hourly", "allow", 1)
    pause_schedule(db, "nightly")
    add_schedule(db, nightly(), replace=True)
    view = schedule_view(db, "nightly")
    assert view.next_run_at is None
    assert view.paused_at is not None


def test_removing_forgets_the_schedule_and_keeps_its_batches(db: Database) -> None:
    add_schedule(db, nightly())
    batch = run_schedule_now(db, "nightly")
    remove_schedule(db, "nightly")
    assert history(db) == []
    assert list_schedules(db) == ()
    assert one(db, "SELECT labels->>'schedule' FROM batches WHERE id = :id", id=batch) == "nightly"


def test_a_batch_that_is_deleted_stays_in_the_history(db: Database) -> None:
    add_schedule(db, nightly())
    run_schedule_now(db, "nightly")
    with db.transaction() as connection:
        connection.execute(text("DELETE FROM batches"))
    (run,) = history(db)
    assert (run.state, run.batch_id, run.accepted) == ("deleted", None, None)


@pytest.mark.parametrize(
    "verb",
    [schedule_view, pause_schedule, resume_schedule, remove_schedule, run_schedule_now],
    ids=lambda v: v.__name__,
)
def test_an_unknown_name_is_a_clear_error(db: Database, verb: Any) -> None:
    with pytest.raises(NotFoundError, match="no such schedule") as caught:
        verb(db, "nobody")
    assert "reelmill schedule list" in caught.value.next_step


def test_a_model_that_nobody_ever_served_is_refused_when_the_schedule_is_added(db: Database) -> None:
    with pytest.raises(UnknownModelError, match="served-model-name"):
        add_schedule(db, nightly(archive=ARCHIVE.model_copy(update={"model": "big"})))
    assert list_schedules(db) == ()


def test_a_schedule_that_cannot_be_read_says_why_and_holds_nobody_up(db: Database) -> None:
    for name in ("a", "b", "c"):
        add_schedule(db, nightly(name=name))
    with db.transaction() as connection:
        connection.execute(text("UPDATE schedules SET timezone = 'Mars/Olympus' WHERE name = 'a'"))
        connection.execute(text("UPDATE schedules SET archive = archive || '{\"later\": 1}' WHERE name = 'b'"))
    for name, ago in {"a": 9, "b": 8, "c": 7}.items():
        make_due(db, timedelta(seconds=ago), name)
    report = start_due_schedules(db)
    assert (report.started, sorted(report.problems)) == (1, ["a", "b"])
    assert "Mars/Olympus" in (schedule_view(db, "a").problem or "")
    assert "later" in (schedule_view(db, "b").problem or "")
    assert [name for name, _ in overdue_schedules(db, by_s=0)] == ["a", "b"]
    with db.transaction() as connection:
        connection.execute(text("UPDATE schedules SET timezone = 'UTC' WHERE name = 'a'"))
    assert start_due_schedules(db).started == 1
    assert schedule_view(db, "a").problem is None
    assert overdue_schedules(db, by_s=0)[0][1] > 0


def test_a_crash_in_the_middle_leaves_nothing_and_the_next_one_starts_it(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_schedule(db, nightly())
    make_due(db)

    def crash(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("reelmill.ledger.schedule_ticks.start_scan_in", crash)
        with pytest.raises(RuntimeError):
            start_due_schedules(db)
    assert (one(db, "SELECT count(*) FROM batches"), history(db)) == (0, [])
    assert start_due_schedules(db).started == 1


def test_every_column_of_the_history_has_a_comment(db: Database) -> None:
    silent = """
        SELECT count(*) FROM pg_attribute
        WHERE attrelid = 'reelmill.schedule_history'::regclass AND attnum > 0
          AND col_description(attrelid, attnum) IS NULL
    """
    assert one(db, silent) == 0
