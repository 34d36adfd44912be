"""`schedule`: prefixes that are submitted again and again."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from reelmill.cli.database import opened_database
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
from reelmill.schema import DEFAULT_MODEL

if TYPE_CHECKING:
    from reelmill.ledger.schedules import ScheduleView

WHICH = "Which objects"
schedule = typer.Typer(
    help="Archives that are worked again and again: each run takes what is new or changed by then.",
    no_args_is_help=True,
)


def known_names(incomplete: str) -> list[str]:
    """For completion in shells. Says nothing where no database answers."""
    from reelmill.ledger.schedules import list_schedules
    from reelmill.schema import ReelmillError

    try:
        with opened_database() as database:
            return [view.name for view in list_schedules(database) if view.name.startswith(incomplete)]
    except ReelmillError:
        return []


Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the schedule.", autocompletion=known_names)]


@schedule.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Unique.")],
    cron: Annotated[
        str, typer.Option(help='Minute, hour, day of month, month, day of week: "0 2 * * *"; or @hourly, @daily, …')
    ],
    prefix: Annotated[str, typer.Option(help="s3://bucket/start-of-keys, or file:///directory.")],
    timezone: Annotated[str, typer.Option(help="Whose clocks: Europe/Berlin, …")] = "UTC",
    overlap: Annotated[
        str, typer.Option(metavar="skip|allow", help="When the last batch is not done: skip the run, or start it.")
    ] = "skip",
    catch_up: Annotated[
        str, typer.Option(metavar="latest|none|all", help="Which runs to make up for that nobody was there to start.")
    ] = "latest",
    webhook: Annotated[str | None, typer.Option(help="URL that is told when the batch of a run is done.")] = None,
    export_to: ExportTo = None,
    export_format: ExportFormat = "parquet",
    replace: Annotated[bool, typer.Option("--replace", help="Change the schedule of this name.")] = False,
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
    min_bytes: Annotated[int | None, typer.Option(help="Not smaller ones.", rich_help_panel=WHICH)] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Not larger ones.", rich_help_panel=WHICH)] = None,
    dedupe: Annotated[
        str, typer.Option(metavar="none|content", help="Answer equal content once.", rich_help_panel=WHICH)
    ] = "none",
    limit: Annotated[int | None, typer.Option(help="At most so many jobs a run.", rich_help_panel=WHICH)] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Every run works everything again, not only what is new.", rich_help_panel=WHICH),
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
    as_json: Json = False,
) -> None:
    """Submit a prefix at these times: each run is a batch of the objects that are new or changed by then.

    Workers start the runs, or `reelmill housekeep`; exactly one batch for each time, however many there are.

    Example: `reelmill schedule add nightly --cron "0 2 * * *" --timezone Europe/Berlin --prefix s3://a/b/ --caption`
    """
    archive = {
        "prefix": prefix,
        "tasks": tasks_of(Asked(caption, ask, ground, ask_json, ask_choice, summary)),
        **given(include=include, exclude=exclude, min_bytes=min_bytes, max_bytes=max_bytes, limit=limit),
        "dedupe": dedupe,
        "only_new": not force,
        "sampling": given(num_segments=num_segments, window_s=window, scenes=scenes or None, max_tiles=max_tiles),
        "generation": given(max_new_tokens=max_new_tokens, stop=stop),
        "model": model,
        "priority": priority,
        "labels": labels_of(label or ()),
    }
    from reelmill.client import Client

    with Client() as client:
        added = client.add_schedule(
            name,
            cron,
            archive,
            timezone=timezone,
            overlap=overlap,
            catch_up=catch_up,
            webhook=webhook,
            export_to=export_to,
            export_format=cast("Any", export_format),
            replace=replace,
        )
        view = added.info
    _tell(view, f"{view.name}: {_when(view)}", as_json=as_json)


@schedule.command("list")
def list_all(as_json: Json = False) -> None:
    """Show all schedules: when each runs next, and what its last run came to.

    Example: `reelmill schedule list`
    """
    from reelmill.ledger.schedules import list_schedules

    with opened_database() as database:
        listed = list_schedules(database)
    if as_json:
        for view in listed:
            write_json(_json(view))
        return
    from reelmill.cli.show_schedules import schedules

    console().print(schedules(listed))


@schedule.command()
def show(
    name: Name,
    runs: Annotated[int, typer.Option(min=0, help="Entries of the history, the latest.")] = 10,
    as_json: Json = False,
) -> None:
    """Show a schedule and its history: counts of each run, or why it was skipped.

    Example: `reelmill schedule show nightly --runs 30`
    """
    from reelmill.ledger.schedule_history import schedule_history
    from reelmill.ledger.schedules import schedule_view

    with opened_database() as database:
        view = schedule_view(database, name)
        history = schedule_history(database, name, most=runs)
    if as_json:
        write_json({**_json(view), "history": history})
        return
    from reelmill.cli.show_schedules import one_schedule

    console().print(one_schedule(view, history), soft_wrap=True)


@schedule.command("run-now")
def run_now(name: Name, as_json: Json = False) -> None:
    """Start a run at once, also of a paused schedule; prints the id of its batch.

    Example: `reelmill wait $(reelmill schedule run-now nightly)`
    """
    from reelmill.ledger.schedule_ticks import run_schedule_now

    with opened_database() as database:
        batch_id = run_schedule_now(database, name)
    tell({"schedule": name, "batch": batch_id}, str(batch_id), as_json=as_json)
    if not as_json:
        error_console().print("Accepted: a worker lists the prefix first.", markup=False)


@schedule.command()
def pause(name: Name, as_json: Json = False) -> None:
    """Start no more runs until it is resumed; what runs goes on.

    Example: `reelmill schedule pause nightly`
    """
    from reelmill.ledger.schedules import pause_schedule, schedule_view

    with opened_database() as database:
        changed = pause_schedule(database, name)
        _tell(schedule_view(database, name), f"{name} is paused{'' if changed else ' already'}", as_json=as_json)


@schedule.command()
def resume(name: Name, as_json: Json = False) -> None:
    """Go on with the next time that comes. What came due during the pause is not made up for.

    Example: `reelmill schedule resume nightly`
    """
    from reelmill.ledger.schedules import resume_schedule, schedule_view

    with opened_database() as database:
        changed = resume_schedule(database, name)
        view = schedule_view(database, name)
    _tell(view, f"{name}: {_when(view)}" if changed else f"{name} was not paused", as_json=as_json)


@schedule.command()
def remove(name: Name, as_json: Json = False) -> None:
    """Forget a schedule and its history. Its batches, their jobs and results stay.

    Example: `reelmill schedule remove nightly`
    """
    from reelmill.ledger.schedules import remove_schedule

    with opened_database() as database:
        remove_schedule(database, name)
    tell({"schedule": name, "removed": True}, f"{name} is removed; its batches and results stay", as_json=as_json)


def _tell(view: ScheduleView, text: str, *, as_json: bool) -> None:
    tell(_json(view), text, as_json=as_json)


def _json(view: ScheduleView) -> dict[str, Any]:
    values = asdict(view)
    return {"schedule": values.pop("name"), **values}


def _when(view: ScheduleView) -> str:
    from reelmill.cli.show_schedules import when

    return when(view)
