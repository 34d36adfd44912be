"""How schedules and their history look to people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reelmill.cron import Cron, zone
from reelmill.ledger.schedule_history import ScheduleRun
from reelmill.ledger.schedules import ScheduleView
from reelmill.schema import ReelmillError

LONG = "%Y-%m-%d %H:%M %Z"
SHORT = "%m-%d %H:%M %Z"
STYLES = {
    "skipped": "yellow",
    "scanning": "cyan",
    "working": "cyan",
    "done": "green",
    "failed": "red",
    "cancelled": "dim",
    "deleted": "dim",
}


def schedules(listed: Sequence[ScheduleView]) -> RenderableType:
    """A line for each."""
    if not listed:
        return Text("There is no schedule. Add one: reelmill schedule add --help", style="yellow")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("schedule", "next run", "last run", "", "prefix"):
        table.add_column(heading, overflow="fold", no_wrap=heading.endswith("run"))
    for view in listed:
        state = Text("cannot be started", style="red") if view.problem else _state(view.last_run)
        last = _clock(view.last_run.tick_at, _zone(view), SHORT) if view.last_run else "–"
        table.add_row(Text(view.name), _next(view, SHORT), last, state, Text(view.archive["prefix"]))
    return table


def one_schedule(view: ScheduleView, history: Sequence[ScheduleRun]) -> RenderableType:
    """All of one schedule, and its history."""
    rows = {
        "schedule": view.name,
        "when": f"{view.cron} · {_described(view)} · {view.timezone}",
        "next run": str(_next(view)),
        "prefix": view.archive["prefix"],
        "asked": ", ".join(task["kind"] for task in view.archive["tasks"]),
        "model": view.archive["model"],
        "overlap": view.overlap.value,
        "catch up": view.catch_up.value,
        **({"webhook": view.webhook} if view.webhook else {}),
        **({"export to": f"{view.export_to} ({view.export_format})"} if view.export_to else {}),
    }
    lines = [Text.assemble((f"{name:<10}", "dim"), value) for name, value in rows.items()]
    if view.problem:
        lines.append(Text.assemble((f"{'problem':<10}", "dim"), (view.problem, "red")))
    return Group(*lines, *(line for run in history for line in _run(run, _zone(view))))


def when(view: ScheduleView) -> str:
    """`At 02:00 every day (Europe/Berlin); next run …`: what a user checks first."""
    return f"{_described(view)} ({view.timezone}); next run {_next(view)}"


def _run(run: ScheduleRun, clocks: ZoneInfo) -> list[Text]:
    """What became of one time: a line, and one more for its counts and for its error."""
    lines = [Text.assemble("\n", _clock(run.tick_at, clocks), "  ", _state(run), f"  {run.batch_id or ''}")]
    if run.batch_id:
        found = f"{run.listed or 0:,} listed, {run.accepted or 0:,} accepted, {run.skipped or 0:,} skipped"
        lines.append(Text(f"  {found} · {run.succeeded:,} succeeded, {run.failed:,} failed", style="dim"))
    if run.error_message:
        lines.append(Text(f"  {run.error_code}: {run.error_message}", style="red"))
    return lines


def _state(run: ScheduleRun | None) -> Text:
    if run is None:
        return Text("")
    details = [run.reason or "", f"{run.ticks:,} times" if run.ticks > 1 else "", "by hand" if run.by_hand else ""]
    words = ": ".join([run.state, ", ".join(detail for detail in details if detail)]) if any(details) else run.state
    return Text(words, style=STYLES[run.state])


def _next(view: ScheduleView, form: str = LONG) -> Text:
    if view.next_run_at is None:
        return Text("paused", style="yellow")
    return Text(_clock(view.next_run_at, _zone(view), form))


def _clock(moment: datetime, clocks: ZoneInfo, form: str = LONG) -> str:
    return moment.astimezone(clocks).strftime(form)


def _zone(view: ScheduleView) -> ZoneInfo:
    """Its own clocks; UTC where this machine does not know them."""
    try:
        return zone(view.timezone)
    except ReelmillError:
        return zone("UTC")


def _described(view: ScheduleView) -> str:
    try:
        return Cron(view.cron, view.timezone).description
    except ReelmillError as error:
        return error.message
