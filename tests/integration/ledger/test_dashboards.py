"""Every query of dashboards/ answers with rows on a mill that has worked, to somebody who may read the views alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from benchmarks.queries import measure
from reelmill.ledger.database import Database
from reelmill.ledger.finish import fail, succeed
from reelmill.ledger.schedule_ticks import run_schedule_now
from reelmill.ledger.schedules import add_schedule
from reelmill.ledger.submit import NewBatch
from reelmill.schema import AnswerResult, Caption, CaptionResult, PrefixSpec
from reelmill.schema.schedule import ScheduleSpec
from tests.integration.ledger.helpers import LastingError, result, spec, submit, take, words
from tests.services import Databases

DASHBOARDS = sorted((Path(__file__).parents[3] / "dashboards").glob("*.sql"))
READER = "dashboard_reader"


@pytest.fixture(scope="module")
def worked(databases: Databases) -> Iterator[str]:
    """A mill in which something succeeded, something failed, and a schedule ran."""
    with databases.fresh("dashboards") as url:
        db = Database(url)
        said = replace(
            result(),
            captions=(CaptionResult(0, 0, words("A red panda sleeps")),),
            answers=(AnswerResult(0, 1, 0, "How many people are there?", words("None")),),
        )
        submit(db, spec("camera-0042/1.jpg"), spec("camera-0042/2.jpg"), batch=NewBatch(name="night"))
        assert succeed(db, take(db).lease, said)
        assert fail(db, take(db).lease, LastingError("cannot be read"))
        archive = PrefixSpec(prefix="s3://archive/nightly/", tasks=(Caption(),))
        add_schedule(db, ScheduleSpec(name="nightly", cron="0 2 * * *", archive=archive))
        run_schedule_now(db, "nightly")
        yield url
        db.close()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_query_answers_with_rows_from_the_views_alone(worked: str, path: Path) -> None:
    with psycopg.connect(worked, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {READER}")
        try:
            connection.execute(f"GRANT USAGE ON SCHEMA reelmill TO {READER}")
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA reelmill TO {READER}")
            connection.execute(f"SET ROLE {READER}")
            assert connection.execute(path.read_bytes()).fetchall()
        finally:
            connection.execute("RESET ROLE")
            connection.execute(f"DROP OWNED BY {READER}")
            connection.execute(f"DROP ROLE {READER}")


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_file_is_one_query_that_says_what_it_shows(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("-- ")
    assert text.count(";") - text.split("\n", 1)[0].count(";") == 1
    assert text.endswith(";\n")


def test_the_benchmark_times_every_query_and_search(worked: str) -> None:
    measured = measure(worked, repeats=1)
    assert {path.stem for path in DASHBOARDS} < set(measured["queries"])
    assert measured["query_p95_ms"] > 0
