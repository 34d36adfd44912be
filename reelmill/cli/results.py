"""`results`: what was found out, on the terminal or as a file."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reelmill.cli.output import Json, console, error_console, tell, write_json
from reelmill.cli.target import Id, opened
from reelmill.errors import SpecError

if TYPE_CHECKING:
    from reelmill.batch import Batch
    from reelmill.job import Job
    from reelmill.job_results import JobResults


class Format(StrEnum):
    """How results are written."""

    TEXT = "text"
    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    OPENAI = "openai"


def results(
    target: Id,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="csv, parquet: a row per caption, answer, box; openai: after submit-openai.",
            show_default="text",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a file: .jsonl, .csv or .parquet by its name.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many jobs.")] = None,
    as_json: Json = False,
) -> None:
    """Print captions, summaries, answers and boxes of the jobs that have succeeded so far, in the order of submission.

    Example: `reelmill results 0199c1c4-… --json | jq -r '.captions[].generated.text'`

    Example: `reelmill results 0199c1c4-… --out night.parquet`
    """
    with opened(target) as found:
        if form is Format.OPENAI:
            _write_openai(found, out, as_json=as_json)
            return
        jobs = islice(_jobs(found, quiet=as_json), limit)
        if out is not None:
            count = _write(jobs, out, form)
            tell({"file": out, "rows": count}, f"{out}  {count:,} rows", as_json=as_json)
        else:
            _print(jobs, Format.JSONL if as_json else form or Format.TEXT)


def _jobs(found: Batch | Job, *, quiet: bool) -> Iterable[JobResults]:
    from reelmill.batch import Batch

    if not isinstance(found, Batch):
        return (found.results(),)
    counts = found.status
    if not (quiet or counts.done):
        message = f"{counts.finished:,} of {counts.total:,} jobs finished; the rest will follow"
        error_console().print(message, style="yellow", soft_wrap=True)
    return found.results()


def _write(jobs: Iterable[JobResults], out: Path, form: Format | None) -> int:
    from reelmill import export
    from reelmill.tables import to_parquet

    writers = {Format.JSONL: export.to_jsonl, Format.CSV: export.to_csv, Format.PARQUET: to_parquet}
    if form is None:
        return export.export(jobs, out)
    if form not in writers:
        raise SpecError("is for the terminal", subject=f"--format {form}", next_step="Use jsonl, csv or parquet")
    return writers[form](jobs, out)


def _write_openai(found: Batch | Job, out: Path | None, *, as_json: bool) -> None:
    """The answered lines; the others go to a file beside it."""
    from reelmill.batch import Batch

    if not isinstance(found, Batch):
        raise SpecError("is for batches", subject="--format openai", next_step="Give a batch's id, or `latest`")
    if out is None:
        raise SpecError("is a file", subject="--format openai", next_step="Add --out NAME.jsonl")
    errors = out.with_suffix(f".errors{out.suffix}")
    count = found.to_openai(out, errors)
    tell({"file": out, "errors": errors, "rows": count}, f"{out}  {count:,} answers, {errors}", as_json=as_json)


def _print(jobs: Iterable[JobResults], form: Format) -> None:
    from reelmill.cli import show_results

    if form is Format.PARQUET:
        raise SpecError("is a file", subject="--format parquet", next_step="Add --out NAME.parquet")
    if form is Format.CSV:
        _print_csv(jobs)
    elif form is Format.TABLE:
        console().print(show_results.results_table(jobs))
    else:
        for job in jobs:
            if form is Format.JSONL:
                write_json(job)
            else:
                console().print(show_results.job_results(job), soft_wrap=True)


def _print_csv(jobs: Iterable[JobResults]) -> None:
    from reelmill.export import COLUMNS, all_rows, plain

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in all_rows(jobs):
        writer.writerow(plain(getattr(row, name)) for name in COLUMNS)
