"""`reelmill schedule` from adding to removing, for people and for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from reelmill.ledger.database import Database
from reelmill.ledger.scans import cancel_scan
from reelmill.ledger.schedule_ticks import start_due_schedules
from reelmill.ledger.views import list_batches
from tests.integration.cli.commands import reelmill

pytestmark = pytest.mark.usefixtures("mill")
NIGHTLY = ("add", "nightly", "--cron", "0 2 * * *", "--timezone", "Europe/Berlin", "--prefix", "s3://archive/in/")
ASKED = ("--caption", "--ask", "Is it raining?")


def schedule(*arguments: object) -> Any:
    return reelmill("schedule", *arguments)


def make_due(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE schedules SET next_run_at = now() - interval '1 second'"))


def test_what_is_added_is_stored_whole_and_says_when_it_runs(database: Database) -> None:
    options = ("--include", "*.jpg", "--exclude", "*/tmp/*", "--limit", 9, "--dedupe", "content", "--label", "k=v")
    sizes = ("--max-bytes", 5000)
    how = ("--max-new-tokens", 33, "--num-segments", 4, "--priority", -3, "--overlap", "allow", "--catch-up", "all")
    told = ("--webhook", "https://example.org/a")
    ran = schedule(*NIGHTLY, *ASKED, *options, *sizes, *how, *told, "--json")
    assert ran.code == 0
    stored = ran.json
    archive = stored["archive"]
    assert (stored["schedule"], stored["overlap"], stored["catch_up"]) == ("nightly", "allow", "all")
    assert [task["kind"] for task in archive["tasks"]] == ["caption", "ask"]
    assert (archive["include"], archive["exclude"], archive["limit"]) == (["*.jpg"], ["*/tmp/*"], 9)
    assert (archive["min_bytes"], archive["max_bytes"]) == (None, 5000)
    assert (archive["dedupe"], archive["only_new"], archive["labels"]) == ("content", True, {"k": "v"})
    assert (archive["generation"]["max_new_tokens"], archive["sampling"]["num_segments"]) == (33, 4)
    assert (archive["priority"], stored["webhook"]) == (-3, "https://example.org/a")
    assert datetime.fromisoformat(stored["next_run_at"]) > datetime.now(UTC)


def test_people_are_told_in_words_when_it_runs(database: Database) -> None:
    ran = schedule(*NIGHTLY, *ASKED)
    assert ran.out.startswith("nightly: At 02:00 every day (Europe/Berlin); next run 20")
    assert "02:00 CE" in ran.out


def test_the_life_of_a_schedule(database: Database) -> None:
    schedule(*NIGHTLY, *ASKED)
    make_due(database)
    start_due_schedules(database)
    (listed,) = schedule("list", "--json").lines
    assert (listed["schedule"], listed["last_run"]["state"], listed["paused_at"]) == ("nightly", "scanning", None)
    assert "scanning" in schedule("list").out

    busy = schedule("run-now", "nightly", "--json")
    assert (busy.code, busy.error["code"]) == (1, "schedule_busy")
    (batch,) = list_batches(database)
    assert str(batch.id) in busy.error["message"]
    assert cancel_scan(database, batch.id)
    assert schedule("run-now", "nightly").out.strip() == str(list_batches(database)[0].id)

    make_due(database)
    start_due_schedules(database)
    shown = schedule("show", "nightly", "--json").json
    assert {(run["state"], run["reason"], run["by_hand"]) for run in shown["history"]} == {
        ("cancelled", None, False),
        ("scanning", None, True),
        ("skipped", "overlap", False),
    }
    page = schedule("show", "nightly").out
    assert "At 02:00 every day" in page
    assert "skipped: overlap" in page
    assert "scanning: by hand" in page

    assert schedule("pause", "nightly", "--json").json["next_run_at"] is None
    assert "paused already" in schedule("pause", "nightly").out
    assert "paused" in schedule("list").out
    assert schedule("resume", "nightly", "--json").json["paused_at"] is None
    assert "was not paused" in schedule("resume", "nightly").out
    assert schedule("remove", "nightly", "--json").json == {"schedule": "nightly", "removed": True}
    assert schedule("list", "--json").lines == []
    assert "There is no schedule" in schedule("list").out


def test_replacing_asks_for_it(database: Database) -> None:
    schedule(*NIGHTLY, "--caption")
    taken = schedule(*NIGHTLY, *ASKED, "--json")
    assert (taken.code, taken.error["code"]) == (2, "name_taken")
    assert "--replace" in taken.error["next_step"]
    assert len(schedule(*NIGHTLY, *ASKED, "--replace", "--json").json["archive"]["tasks"]) == 2


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"--cron": "0 25 * * *"}, "cron_invalid", "bad hour"),
        ({"--timezone": "Berlin"}, "timezone_unknown", "no such time zone"),
        ({"--prefix": "archive/in"}, "spec_invalid", "a prefix is s3://bucket"),
        ({"--model": "big"}, "model_unknown", "no worker has ever served"),
        ({"--overlap": "maybe"}, "spec_invalid", "'skip' or 'allow'"),
        ({"--catch-up": "all"}, "spec_invalid", "needs overlap=allow"),
    ],
)
def test_what_cannot_be_right_is_refused_and_says_why(
    database: Database, changed: dict[str, str], code: str, said: str
) -> None:
    given = {"--cron": "@daily", "--prefix": "s3://archive/in/", **changed}
    options = [word for pair in given.items() for word in pair]
    ran = schedule("add", "nightly", *options, "--caption", "--json")
    assert (ran.code, ran.error["code"]) == (2, code)
    assert said in ran.error["message"]
    assert schedule("list", "--json").lines == []


@pytest.mark.parametrize("verb", ["show", "run-now", "pause", "resume", "remove"])
def test_an_unknown_name_is_a_clear_error(verb: str) -> None:
    ran = schedule(verb, "nobody", "--json")
    assert (ran.code, ran.error["code"], ran.error["subject"]) == (1, "not_found", "nobody")
    assert "schedule list" in ran.error["next_step"]
