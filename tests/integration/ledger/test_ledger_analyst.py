"""The views of people: those of the files, described to the last column, and right."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from reelmill.ledger import analyst
from reelmill.ledger.database import Database
from reelmill.ledger.finish import fail, succeed
from reelmill.ledger.migrate import upgrade
from reelmill.ledger.submit import NewBatch
from reelmill.ledger.tables import metadata
from reelmill.schema import CaptionResult
from tests.integration.ledger.helpers import LastingError, result, spec, submit, take, words
from tests.services import Databases

COLUMNS = """
    SELECT c.relname, a.attname, obj_description(c.oid, 'pg_class'), col_description(c.oid, a.attnum)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'reelmill'::regnamespace AND a.attnum > 0
"""
DEFINITIONS = """
    SELECT relname, pg_get_viewdef(oid) FROM pg_class WHERE relnamespace = 'reelmill'::regnamespace
    UNION ALL
    SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'reelmill'::regnamespace
    ORDER BY 1
"""


def rows(db: Database, query: str, **values: Any) -> list[dict[str, Any]]:
    with db.transaction() as connection:
        return [dict(row) for row in connection.execute(text(query), values).mappings()]


def seen(db: Database, caption: str, *, name: str = "a", media: tuple[str, ...] = (), **options: Any) -> None:
    """A succeeded job with this one caption."""
    uris = tuple(f"s3://archive/{each}" for each in media or (name,))
    submit(db, spec(name, media=uris), **options)
    said = replace(result(media_count=len(uris)), captions=(CaptionResult(0, 0, words(caption)),))
    assert succeed(db, take(db).lease, said)


def latest(db: Database) -> dict[str, str]:
    found = rows(db, "SELECT uri, caption FROM reelmill.latest_captions")
    return {row["uri"].rpartition("/")[2]: row["caption"] for row in found}


def test_the_views_are_those_of_the_files_and_every_column_is_described(database_url: str) -> None:
    db = Database(database_url)
    with db.transaction() as connection:
        described = connection.execute(text(COLUMNS)).all()
    assert {row[0] for row in described} == set(analyst.view_names())
    assert [row[:2] for row in described if not (row[2] and row[3])] == []
    db.close()


def test_no_view_has_the_name_of_a_table() -> None:
    assert not set(analyst.view_names()) & set(metadata.tables)


def test_a_role_named_like_the_schema_still_makes_tables_among_the_tables(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA reelmill")
        if connection.execute("SELECT current_user").fetchone() != ("reelmill",):
            pytest.skip("only of the embedded Postgres, whose role has this name")
        upgrade(empty_database_url)
        found = connection.execute(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = ANY(%s)", [["jobs", "boxes"]]
        )
        assert found.fetchall() == [("public",)]


def test_migrating_brings_changed_views_back_and_keeps_rights_and_views_on_views(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        before = connection.execute(DEFINITIONS).fetchall()
        connection.execute("CREATE OR REPLACE FUNCTION reelmill.search(asked text) RETURNS tsquery RETURN ''::tsquery")
        connection.execute("COMMENT ON SCHEMA reelmill IS 'of an older release'")
        connection.execute("GRANT SELECT ON reelmill.latest_captions TO PUBLIC")
        connection.execute("CREATE VIEW public.mine AS SELECT uri FROM reelmill.latest_captions")
        upgrade(database_url)
        assert connection.execute(DEFINITIONS).fetchall() == before
        assert connection.execute("SELECT count(*) FROM mine").fetchone() == (0,)
        granted = "SELECT relacl::text FROM pg_class WHERE oid = 'reelmill.latest_captions'::regclass"
        assert "=r/" in str(connection.execute(granted).fetchone())


def test_views_that_are_up_to_date_are_not_touched(database_url: str) -> None:
    db = Database(database_url)
    with db.transaction() as connection:
        assert not analyst.install(connection)
    db.close()


def test_somebody_with_rights_to_the_schema_alone_reads_all_views_and_no_table(databases: Databases) -> None:
    with databases.fresh("reader") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE only_views")
        try:
            connection.execute("GRANT USAGE ON SCHEMA reelmill TO only_views")
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA reelmill TO only_views")
            connection.execute("SET ROLE only_views")
            for view in analyst.view_names():
                connection.execute(f"SELECT * FROM reelmill.{view}")
            connection.execute("SELECT * FROM reelmill.media_captions WHERE words @@ reelmill.search('red 熊猫')")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM public.captions")
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY only_views")
            connection.execute("DROP ROLE only_views")


def test_the_latest_caption_of_an_object_is_that_of_the_job_submitted_last(db: Database) -> None:
    seen(db, "first", name="a")
    seen(db, "other", name="b")
    seen(db, "second", name="a")
    assert latest(db) == {"a": "second", "b": "other"}
    assert len(rows(db, "SELECT FROM reelmill.media_captions")) == 3


def test_a_failed_or_waiting_job_does_not_hide_an_earlier_caption(db: Database) -> None:
    seen(db, "first", name="a")
    submit(db, spec("a"))
    fail(db, take(db).lease, LastingError("cannot be read"))
    submit(db, spec("a"))
    assert latest(db) == {"a": "first"}


def test_a_caption_of_several_objects_is_not_the_caption_of_one(db: Database) -> None:
    seen(db, "alone", name="a")
    seen(db, "both of them", media=("a", "b"))
    assert latest(db) == {"a": "alone"}
    counts = rows(db, "SELECT caption, media_count FROM reelmill.media_captions ORDER BY job_id")
    assert counts == [{"caption": "alone", "media_count": 1}, {"caption": "both of them", "media_count": 2}]


def test_answers_stand_beside_their_questions_with_time_and_batch(db: Database) -> None:
    seen(db, "x", batch=NewBatch(name="night"))
    found = rows(
        db, "SELECT question, answer, start_s, end_s, batch_name FROM reelmill.media_answers ORDER BY question_number"
    )
    place = {"start_s": 0.0, "end_s": 1.5, "batch_name": "night"}
    assert found == [
        {"question": "What?", "answer": "cat", **place},
        {"question": "Where?", "answer": "there", **place},
    ]


def test_boxes_have_labels_pixels_and_time_and_phrases_tell_what_was_not_found(db: Database) -> None:
    seen(db, "x")
    box = rows(db, "SELECT label, phrase, x1_px, y2_px, width, timestamp_s FROM reelmill.media_boxes LIMIT 1")
    assert box == [{"label": "cat", "phrase": "cat", "x1_px": 64.0, "y2_px": 193.0, "width": 640, "timestamp_s": 0.125}]
    phrases = rows(db, "SELECT phrase, status, boxes FROM reelmill.media_phrases ORDER BY phrase")
    assert phrases == [
        {"phrase": "cat", "status": "found", "boxes": 2},
        {"phrase": "dog", "status": "malformed", "boxes": 0},
    ]


def test_progress_counts_every_state_and_foretells_the_end(db: Database) -> None:
    batch = NewBatch(name="night")
    submit(db, *(spec(str(number)) for number in range(4)), batch=batch)
    succeed(db, take(db).lease, result())
    fail(db, take(db).lease, LastingError("cannot be read"))
    take(db)
    (row,) = rows(db, "SELECT * FROM reelmill.batch_progress")
    counts = {name: row[name] for name in ("jobs", "queued", "running", "succeeded", "failed", "cancelled")}
    assert counts == {"jobs": 4, "queued": 1, "running": 1, "succeeded": 1, "failed": 1, "cancelled": 0}
    assert (row["percent"], row["jobs_per_hour"], row["finished_at"]) == (50, 8, None)
    left = row["expected_at"] - datetime.now(UTC)
    assert timedelta(minutes=10) < left <= timedelta(minutes=15)


def test_progress_of_a_finished_batch_tells_when_and_foretells_nothing(db: Database) -> None:
    seen(db, "x", batch=NewBatch())
    (row,) = rows(db, "SELECT * FROM reelmill.batch_progress")
    assert (row["percent"], row["expected_at"]) == (100, None)
    assert row["finished_at"] == rows(db, "SELECT finished_at FROM jobs")[0]["finished_at"]


def test_failures_are_counted_by_code_with_the_latest_example_and_what_to_do(db: Database) -> None:
    submit(db, spec("1"), spec("2"), batch=NewBatch(name="night"))
    for name in ("1", "2"):
        fail(db, take(db).lease, LastingError("cannot be read", subject=name, next_step="Replace it"))
    submit(db, spec("alone"))
    fail(db, take(db).lease, LastingError("cannot be read"))
    found = rows(db, "SELECT batch_name, error_code, jobs, example_uri, next_step FROM reelmill.failures ORDER BY jobs")
    assert found == [
        {"batch_name": None, "error_code": "lasting", "jobs": 1, "example_uri": "s3://archive/alone", "next_step": ""},
        {
            "batch_name": "night",
            "error_code": "lasting",
            "jobs": 2,
            "example_uri": "s3://archive/2",
            "next_step": "Replace it",
        },
    ]
    failed = rows(db, "SELECT uri, error_message FROM reelmill.failed_jobs ORDER BY job_id")
    assert failed[0] == {"uri": "s3://archive/1", "error_message": "1: cannot be read"}


def test_throughput_is_told_by_hour_and_worker(db: Database) -> None:
    for worker in ("w1", "w1", "w2"):
        submit(db)
        succeed(db, take(db, worker).lease, result())
    with db.transaction() as connection:
        connection.execute(text("UPDATE jobs SET finished_at = '2026-01-01 10:59:59+00' WHERE worker_id = 'w1'"))
        connection.execute(text("UPDATE jobs SET finished_at = '2026-01-01 11:00:00+00' WHERE worker_id = 'w2'"))
    found = rows(db, "SELECT hour, worker_id, succeeded, output_tokens FROM reelmill.throughput ORDER BY hour")
    assert found == [
        {"hour": datetime(2026, 1, 1, 10, tzinfo=UTC), "worker_id": "w1", "succeeded": 2, "output_tokens": 98},
        {"hour": datetime(2026, 1, 1, 11, tzinfo=UTC), "worker_id": "w2", "succeeded": 1, "output_tokens": 49},
    ]


def test_the_cost_of_a_batch_counts_the_seconds_of_each_worker_once(db: Database) -> None:
    submit(db, *(spec(str(number)) for number in range(3)), batch=NewBatch(name="night"))
    for worker in ("w1", "w1", "w2"):
        succeed(db, take(db, worker).lease, result())
    with db.transaction() as connection:
        # Two jobs of one worker overlap by half; the other worker has one.
        for name, start in {"0": 0, "1": 5, "2": 0}.items():
            connection.execute(
                text(
                    "UPDATE jobs SET started_at = '2026-01-01'::timestamptz + make_interval(secs => :start),"
                    " finished_at = '2026-01-01'::timestamptz + make_interval(secs => :start + 10)"
                    " WHERE id = (SELECT job_id FROM media WHERE uri = 's3://archive/' || :name)"
                ),
                {"start": start, "name": name},
            )
    (row,) = rows(db, "SELECT jobs, gpu_s, decode_s, output_tokens FROM reelmill.batch_costs")
    assert row == {"jobs": 3, "gpu_s": 25.0, "decode_s": pytest.approx(0.6), "output_tokens": 147}
    (job, *_) = rows(db, "SELECT total_s, decode_s, prompt_tokens FROM reelmill.job_costs")
    assert job == {"total_s": 10.0, "decode_s": 0.2, "prompt_tokens": 700}


def test_ids_bound_a_query_in_time(db: Database) -> None:
    seen(db, "x")
    count = "SELECT count(*) AS jobs FROM reelmill.media_jobs WHERE job_id >= reelmill.id_at(now() + {})"
    assert rows(db, count.format("interval '-1 minute'")) == [{"jobs": 1}]
    assert rows(db, count.format("interval '1 minute'")) == [{"jobs": 0}]
    (job,) = rows(db, "SELECT reelmill.time_of(job_id) AS told, submitted_at FROM reelmill.media_jobs")
    assert abs(job["told"] - job["submitted_at"]) < timedelta(minutes=1)


def test_a_summary_stands_beside_its_video_with_the_times_of_its_parts(db: Database) -> None:
    submit(db, spec("trip.mp4"))
    assert succeed(db, take(db).lease, result())
    (row,) = rows(db, "SELECT uri, summary, start_s, end_s, captions, requests, task FROM reelmill.media_summaries")
    assert row == {
        "uri": "s3://archive/trip.mp4",
        "summary": "all in all",
        "start_s": 0.0,
        "end_s": 3.0,
        "captions": 2,
        "requests": 1,
        "task": 0,
    }
