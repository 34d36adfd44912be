"""`submit`: media and tasks become accepted jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from reelmill.cli.output import Json, console, error_console, tell, write_json
from reelmill.cli.template import (
    ASKED,
    HOW,
    AskChoice,
    Asked,
    AskJson,
    ExportFormat,
    ExportTo,
    Scenes,
    Stop,
    Summary,
    given,
    labels_of,
    tasks_of,
)
from reelmill.cli.wait import follow
from reelmill.errors import SpecError
from reelmill.schema import DEFAULT_MODEL

if TYPE_CHECKING:
    from reelmill.batch import Batch
    from reelmill.job import Job
    from reelmill.schema import JobSpec


def submit(
    uris: Annotated[list[str], typer.Argument(metavar="URI", help="s3://bucket/key, file:///path or a local path.")],
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
    num_segments: Annotated[
        int | None, typer.Option(help="Frames taken from a video.", show_default="8", rich_help_panel=HOW)
    ] = None,
    bound: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="START END", help="Only this stretch, in seconds.", rich_help_panel=HOW),
    ] = None,
    window: Annotated[
        float | None, typer.Option(help="Answer every so many seconds on their own.", rich_help_panel=HOW)
    ] = None,
    scenes: Scenes = False,
    max_tiles: Annotated[
        int | None, typer.Option(help="Most tiles of an image.", show_default="the model's", rich_help_panel=HOW)
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="Longest answer.", show_default="512", rich_help_panel=HOW)
    ] = None,
    stop: Stop = None,
    model: Annotated[str, typer.Option(help="The name that a worker serves.", rich_help_panel=HOW)] = DEFAULT_MODEL,
    priority: Annotated[int, typer.Option(help="Higher first.", rich_help_panel=HOW)] = 0,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="For your queries. Repeatable.", rich_help_panel=HOW)
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the batch.", rich_help_panel=HOW)] = None,
    export_to: ExportTo = None,
    export_format: ExportFormat = "parquet",
    one_job: Annotated[
        bool, typer.Option("--one-job", help="All URIs are the images of one job.", rich_help_panel=HOW)
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until all is done; exit code 1 if a job failed.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check it and show what would be submitted; touches nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Submit images and videos: a batch of one job each, or one job of all (`--one-job`).

    Prints the id for `wait`, `status`, `results`, `errors`, `report` and `cancel`.

    Example: `reelmill submit s3://archive/a.jpg s3://archive/b.mp4 --caption --ask "Is it raining?" --wait`
    """
    template: dict[str, Any] = {
        "tasks": tasks_of(Asked(caption, ask, ground, ask_json, ask_choice, summary)),
        "sampling": given(
            num_segments=num_segments, bound=bound, window_s=window, scenes=scenes or None, max_tiles=max_tiles
        ),
        "generation": given(max_new_tokens=max_new_tokens, stop=stop),
        "model": model,
        "priority": priority,
        "labels": labels_of(label or ()),
    }
    media = [_media(uri) for uri in uris]
    several = len(uris) > 1 and not one_job
    if export_to is not None and not several:
        raise SpecError("a single job is no batch", subject="--export-to", next_step="`reelmill results ID -o FILE`")
    specs = [{"media": each, **template} for each in (media if several else [media])]
    if dry_run:
        from reelmill.specs import checked_specs

        _shown(tuple(checked_specs(specs)), as_json=as_json)
        return
    from reelmill.client import Client

    with Client() as client:
        submitted = (
            client.submit_many(specs, name=name, export_to=export_to, export_format=cast("Any", export_format))
            if several
            else client.submit(**specs[0])
        )
        if wait:
            follow(submitted, as_json=as_json)
        else:
            _told(submitted, as_json=as_json)


def _told(submitted: Batch | Job, *, as_json: bool) -> None:
    """The id alone on standard output, so that a script can take it; what it is on standard error."""
    from reelmill.batch import Batch

    if isinstance(submitted, Batch):
        values, known_as = {"batch": submitted.id, "total": submitted.status.total}, "latest"
    else:
        values, known_as = {"job": submitted.id}, str(submitted.id)
    tell(values, str(submitted.id), as_json=as_json)
    if not as_json:
        error_console().print(f"Accepted. `reelmill wait {known_as}` follows it.", markup=False)


def _media(text: str) -> str | Path:
    """A URI, or a file of this machine."""
    if "://" in text:
        return text
    path = Path(text)
    if not path.is_file():
        raise SpecError("there is no such file here", subject=text, next_step="Give s3://bucket/key or a file's path")
    return path


def _shown(specs: Sequence[JobSpec], *, as_json: bool) -> None:
    """What would be submitted."""
    if as_json:
        write_json({"dry_run": True, "jobs": len(specs), "specs": specs})
        return
    from reelmill.cli.show import planned

    console().print(planned(specs), soft_wrap=True)
