"""`reelmill export-to`, and what `status` and `errors` say of exports."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from reelmill import Caption, Client
from reelmill.embedded import ServiceUrls
from tests.integration.cli.commands import reelmill

pytestmark = pytest.mark.usefixtures("mill")
PREFIX = "s3://bucket/results/"


def test_a_batch_gets_a_place_for_its_results_and_tells_of_it() -> None:
    batch = Client().submit_many([{"media": "s3://b/a", "tasks": [Caption()]}])
    assert reelmill("export-to", "latest").out == ""
    asked = reelmill("export-to", batch.id, PREFIX, "--format", "jsonl", "--json").json
    location = f"{PREFIX}batch={batch.id}/"
    assert (asked["batch"], asked["location"]) == (str(batch.id), location)
    (told,) = reelmill("export-to", "latest", "--json").lines
    assert (told["export"], told["state"], told["format"]) == (asked["export"], "waiting", "jsonl")
    assert reelmill("export-to", "latest").out == f"waiting  {location}  0 files, 0 rows (jsonl)\n"
    assert location in reelmill("status", "latest").out
    assert reelmill("status", "latest", "--json").json["exports"] == [told]


@pytest.mark.parametrize("arguments", [(PREFIX, "--format", "csv"), ("results",), ("ftp://b/c",)])
def test_a_bad_place_and_a_job_are_refused(arguments: tuple[str, ...]) -> None:
    Client().submit_many([])
    ran = reelmill("export-to", "latest", *arguments, "--json")
    assert (ran.code, ran.error["code"]) == (2, "spec_invalid")
    job = Client().submit("s3://b/a", tasks=[Caption()])
    assert reelmill("export-to", job.id, PREFIX, "--json").code == 2


def test_the_verbs_that_submit_take_it(tmp_path: Path) -> None:
    asked = ("--caption", "--export-to", PREFIX, "--export-format", "jsonl", "--json")
    (tmp_path / "lines.jsonl").write_text('{"uri": "s3://b/a"}\n')
    for verb in (
        ("submit", "s3://b/a", "s3://b/b"),
        ("submit-prefix", "s3://b/c/"),
        ("submit-manifest", tmp_path / "lines.jsonl"),
    ):
        batch = reelmill(*verb, *asked).json["batch"]
        (export,) = Client().batch(batch).exports()
        assert (export.location, export.format) == (f"{PREFIX}batch={batch}/", "jsonl")
    assert reelmill("submit", "s3://b/a", *asked).error["subject"] == "--export-to"
    reelmill("schedule", "add", "nightly", "--cron", "@daily", "--prefix", "s3://b/c/", *asked)
    assert reelmill("schedule", "list", "--json").json["export_to"] == PREFIX
    assert f"export to {PREFIX} (jsonl)" in reelmill("schedule", "show", "nightly").out


def test_why_an_export_failed_is_told_by_status_and_errors(mill: ServiceUrls) -> None:
    Client().submit_many([], export_to=PREFIX)
    with psycopg.connect(mill.database_url) as connection:
        connection.execute(
            """
            UPDATE exports SET state = 'failed', finished_at = now(), error_code = 'access_denied',
                   error_message = 'refused (403 AccessDenied)', error_next_step = 'Give it s3:PutObject'
            """
        )
    for verb in ("status", "errors"):
        told = reelmill(verb, "latest").out
        assert "failed" in told
        assert "access_denied refused (403 AccessDenied)\n  Give it s3:PutObject" in told
    assert reelmill("errors", "latest", "--json").json["error_code"] == "access_denied"
    query = "SELECT state, error_code FROM reelmill.batch_exports"
    with psycopg.connect(mill.database_url) as connection:
        assert connection.execute(query).fetchall() == [("failed", "access_denied")]
