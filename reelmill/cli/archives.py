"""`submit-prefix`: everything below a prefix becomes jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
from reelmill.schema import DEFAULT_MODEL

if TYPE_CHECKING:
    from reelmill.archive.preview import PrefixPreview
    from reelmill.batch import Batch

WHICH = "Which objects"


def submit_prefix(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="s3://bucket/start-of-keys, or file:///directory.")],
    caption: Annotated[bool, typer.Option("--caption", help="Describe them.", rich_help_panel=ASKED)] = False,
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
    include: Annotated[
        list[str] | None,
        typer.Option(help="Keys like this. Repeatable.", show_default="images and videos", rich_help_panel=WHICH),
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="But not these. Repeatable.", rich_help_panel=WHICH)] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Modified then or later; UTC.", rich_help_panel=WHICH)
    ] = None,
    min_bytes: Annotated[int | None, typer.Option(help="Not smaller ones.", rich_help_panel=WHICH)] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Not larger ones.", rich_help_panel=WHICH)] = None,
    dedupe: Annotated[
        str, typer.Option(metavar="none|content", help="Answer equal content once.", rich_help_panel=WHICH)
    ] = "none",
    limit: Annotated[int | None, typer.Option(help="At most so many jobs.", rich_help_panel=WHICH)] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also what was done before with these settings.", rich_help_panel=WHICH)
    ] = False,
    num_segments: Annotated[
        int | None, typer.Option(help="Frames taken from a video.", show_default="8", rich_help_panel=HOW)
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
    wait: Annotated[bool, typer.Option("--wait", help="Until all is done; exit code 1 if a job failed.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List it from here, and show what would become jobs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Submit an archive: a worker lists it, and what is new or changed in it becomes jobs of one batch.

    Prints the batch's id at once; `status` and `wait` show how far the listing is.

    Example: `reelmill submit-prefix s3://archive/2026/ --exclude "*/thumbs/*" --caption --wait`
    """
    from reelmill.client import Client

    options: dict[str, Any] = {
        "tasks": tasks_of(Asked(caption, ask, ground, ask_json, ask_choice, summary)),
        **given(include=include, exclude=exclude, since=since, min_bytes=min_bytes, max_bytes=max_bytes, limit=limit),
        "dedupe": dedupe,
        "only_new": not force,
        "sampling": given(num_segments=num_segments, window_s=window, scenes=scenes or None, max_tiles=max_tiles),
        "generation": given(max_new_tokens=max_new_tokens, stop=stop),
        "model": model,
        "priority": priority,
        "labels": labels_of(label or ()),
    }
    with Client() as client:
        if dry_run:
            _shown(client.submit_prefix(prefix, dry_run=True, **options), as_json=as_json)
            return
        export: Any = {"export_to": export_to, "export_format": export_format}
        batch = client.submit_prefix(prefix, name=name, **options, **export)
        if wait:
            follow(batch, as_json=as_json)
        else:
            accepted(batch, as_json=as_json)


def accepted(batch: Batch, *, as_json: bool) -> None:
    """The id alone on standard output, so that a script can take it."""
    tell({"batch": batch.id}, str(batch.id), as_json=as_json)
    if not as_json:
        error_console().print("Accepted. `reelmill wait latest` follows it.", markup=False)


def _shown(preview: PrefixPreview, *, as_json: bool) -> None:
    if as_json:
        write_json({"dry_run": True, **{name: getattr(preview, name) for name in preview.__dataclass_fields__}})
        return
    from reelmill.cli.show_scan import preview_shown

    console().print(preview_shown(preview), soft_wrap=True)
