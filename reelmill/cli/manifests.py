"""`submit-manifest` and `submit-openai`: files whose lines become jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from reelmill.cli.archives import accepted
from reelmill.cli.database import opened_database
from reelmill.cli.output import Json, console, error_console, write_json
from reelmill.cli.template import (
    ASKED,
    HOW,
    AskChoice,
    Asked,
    AskJson,
    ExportFormat,
    ExportTo,
    Summary,
    given,
    labels_of,
    tasks_of,
)
from reelmill.cli.wait import follow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reelmill.archive.importing import ManifestPreview
    from reelmill.ledger.imports import ImportedLine

SHOWN = 10
File = Annotated[str, typer.Argument(metavar="FILE", help="A local path, s3://bucket/key or file:///path; .gz too.")]
Strict = Annotated[bool, typer.Option("--strict", help="Submit nothing when a line is bad.")]
Name = Annotated[str | None, typer.Option(help="What to call the batch.", rich_help_panel=HOW)]
Model = Annotated[str | None, typer.Option(help="The name that a worker serves.", rich_help_panel=HOW)]
Priority = Annotated[int, typer.Option(help="Higher first.", rich_help_panel=HOW)]
Labels = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="For your queries. Repeatable.", rich_help_panel=HOW)
]
Wait = Annotated[bool, typer.Option("--wait", help="Until all is done; exit code 1 if a job failed.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read it to its end, and show what would be submitted.")]


def submit_manifest(
    file: File,
    caption: Annotated[bool, typer.Option("--caption", help="Describe it.", rich_help_panel=ASKED)] = False,
    summary: Summary = False,
    ask: Annotated[
        list[str] | None, typer.Option("--ask", metavar="QUESTION", help="Repeatable.", rich_help_panel=ASKED)
    ] = None,
    ask_json: AskJson = None,
    ask_choice: AskChoice = None,
    ground: Annotated[
        list[str] | None,
        typer.Option("--ground", metavar="PHRASE", help="Find it: boxes. Repeatable.", rich_help_panel=ASKED),
    ] = None,
    model: Model = None,
    priority: Priority = 0,
    label: Labels = None,
    name: Name = None,
    export_to: ExportTo = None,
    export_format: ExportFormat = "parquet",
    strict: Strict = False,
    wait: Wait = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Submit a manifest: JSON lines with `uri` (or `uris`) and whatever a job may say, or CSV with a column `uri`.

    Lines without tasks of their own are asked what the options say. A bad line is reported, and stops the others only
    with --strict.

    Example: `reelmill submit-manifest night.jsonl --caption --wait`
    """
    wanted = Asked(caption, ask, ground, ask_json, ask_choice, summary)
    asked = tasks_of(wanted) if wanted else None
    options = {"tasks": asked, **given(model=model), "priority": priority, "labels": labels_of(label or ())}
    _submit("manifest", file, options, (name, strict, wait, dry_run), (export_to, export_format), as_json=as_json)


def submit_openai(
    file: File,
    model: Model = None,
    priority: Priority = 0,
    label: Labels = None,
    name: Name = None,
    export_to: ExportTo = None,
    export_format: ExportFormat = "parquet",
    strict: Strict = False,
    wait: Wait = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Submit a batch file of OpenAI's API whose image URLs are in S3; `results --format openai` answers in kind.

    Example: `reelmill submit-openai requests.jsonl --wait && reelmill results latest -f openai -o answers.jsonl`
    """
    options = {**given(model=model), "priority": priority, "labels": labels_of(label or ())}
    _submit("openai", file, options, (name, strict, wait, dry_run), (export_to, export_format), as_json=as_json)


def _submit(
    kind: Literal["manifest", "openai"],
    file: str,
    options: dict[str, Any],
    how: tuple[str | None, bool, bool, bool],
    export: tuple[str | None, str],
    *,
    as_json: bool,
) -> None:
    from reelmill.archive.importing import LinesFile
    from reelmill.client import Client

    name, strict, wait, dry_run = how
    if dry_run:
        with opened_database() as database:
            _show(LinesFile(file, kind, options, strict).preview(database), as_json=as_json)
        return
    with Client() as client:
        submit = client.submit_manifest if kind == "manifest" else client.submit_openai_batch
        export_to, export_format = export
        batch = submit(
            file, name=name, strict=strict, export_to=export_to, export_format=cast("Any", export_format), **options
        )
        if not as_json:
            _say_problems(batch.line_problems())
        if wait:
            follow(batch, as_json=as_json)
        else:
            accepted(batch, as_json=as_json)


def _show(preview: ManifestPreview, *, as_json: bool) -> None:
    if as_json:
        problems = [{"line": bad.line, "message": bad.message} for bad in preview.problems]
        write_json({"dry_run": True, "lines": preview.lines, "jobs": preview.jobs, "problems": problems})
        return
    console().print(f"{preview.jobs:,} jobs would be submitted, of {preview.lines:,} lines", markup=False)
    _say_problems(preview.problems)


def _say_problems(problems: Sequence[ImportedLine]) -> None:
    for bad in problems[:SHOWN]:
        error_console().print(f"line {bad.line}: {bad.message}", style="yellow", markup=False, soft_wrap=True)
    if len(problems) > SHOWN:
        error_console().print(f"and {len(problems) - SHOWN:,} more bad lines", style="yellow")
