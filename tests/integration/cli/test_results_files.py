"""`results` on the terminal and as files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.cli.commands import reelmill


@pytest.fixture
def batch(mill: object, work_next: Callable[..., None]) -> str:
    """Two of three jobs are done."""
    uris = (f"s3://b/{number}.png" for number in range(3))
    submitted = reelmill("submit", *uris, "--caption", "--ground", "the cat", "--json").json["batch"]
    work_next(caption="a [bold]cat[/bold]")
    work_next(caption="a dog")
    return str(submitted)


def test_files_are_written_in_the_format_that_their_name_says(batch: str, tmp_path: Path) -> None:
    import pyarrow.parquet

    for ending in ("jsonl", "csv", "parquet"):
        ran = reelmill("results", batch, "--out", tmp_path / f"night.{ending}", "--json")
        assert (ran.code, ran.json["rows"]) == (0, 2 if ending == "jsonl" else 4)

    lines = [json.loads(line) for line in (tmp_path / "night.jsonl").read_text().splitlines()]
    assert [line["captions"][0]["generated"]["text"] for line in lines] == ["a [bold]cat[/bold]", "a dog"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "night.csv").read_text())))
    assert [row["kind"] for row in rows] == ["caption", "box", "caption", "box"]
    assert pyarrow.parquet.read_table(tmp_path / "night.parquet").num_rows == 4


def test_a_format_that_is_named_goes_before_the_files_ending(batch: str, tmp_path: Path) -> None:
    reelmill("results", batch, "--out", tmp_path / "night.txt", "--format", "csv")

    assert (tmp_path / "night.txt").read_text().startswith("job_id,")


def test_csv_and_tables_go_to_the_terminal_too(batch: str) -> None:
    rows = list(csv.DictReader(io.StringIO(reelmill("results", batch, "-f", "csv", "--limit", 1).out)))
    table = reelmill("results", batch, "-f", "table").out

    assert [(row["kind"], row["media_uri"]) for row in rows] == [("caption", "s3://b/0.png"), ("box", "s3://b/0.png")]
    assert "a [bold]cat[/bold]" in table
    assert "64,72 – 192,144 px" in table


def test_partial_results_are_said_to_be_partial_but_not_among_the_results(batch: str) -> None:
    shown = reelmill("results", batch)

    assert "2 of 3 jobs finished" in shown.err
    assert "finished" not in shown.out
    assert reelmill("results", batch, "--json").err == ""


@pytest.mark.parametrize(
    "arguments",
    [("--format", "parquet"), ("--out", "night.xlsx"), ("--format", "table", "--out", "night.csv")],
)
def test_a_format_that_cannot_be_is_refused(batch: str, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    placed = [str(tmp_path / each) if each.startswith("night") else each for each in arguments]

    ran = reelmill("results", batch, *placed, "--json")

    if "parquet" in arguments:
        # As lines of JSON it can be: --json says so.
        ran = reelmill("results", batch, *placed)
        assert "--out" in ran.err
    assert ran.code == 2
    assert list(tmp_path.iterdir()) == []
