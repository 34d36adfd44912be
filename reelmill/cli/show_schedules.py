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
        table.add_column(heading, overflow="fold")
    for view in listed:
        state = Text("cannot be started", style="red") if view.problem else _state(view.last_run)
        last = _clock(view.last_run.tick_at, _zone(view)) if view.last_run else "–"
        table.add_row(Text(view.name), _next(view), last, state, Text(view.archive["prefix"]))
    return table


def one_schedule(view: ScheduleView, history: Sequence[ScheduleRun]) -> RenderableType:
    """All of one schedule, and its history."""
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    asked = [task["kind"] for task in view.archive["tasks"]]
    rows = {
        "schedule": view.name,
        "when": f"{view.cron} · {_described(view)} · {view.timezone}",
        "next run": str(_next(view)),
        "prefix": view.archive["prefix"],
        "asked": ", ".join(asked),
        "model": view.archive["model"],
        "overlap": view.overlap.value,
        "catch up": view.catch_up.value,
    }
    for name, value in rows.items():
        facts.add_row(name, Text(value))
    if view.problem:
        facts.add_row("problem", Text(view.problem, style="red"))
    return Group(facts, "", _history(history, _zone(view))) if history else facts


def when(view: ScheduleView) -> str:
    """`At 02:00 every day, Europe/Berlin; next 21.11.`: what a user checks first."""
    return f"{_described(view)} ({view.timezone}); next run {_next(view)}"


def _history(history: Sequence[ScheduleRun], clocks: ZoneInfo) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    numbers = ("listed", "accepted", "skipped", "succeeded", "failed")
    for heading in ("due", "run", *numbers, "batch"):
        table.add_column(heading, justify="right" if heading in numbers else "left", no_wrap=True)
    for run in history:
        counts = (run.listed, run.accepted, run.skipped, run.succeeded, run.failed)
        shown = [f"{count:,}" if run.batch_id and count is not None else "" for count in counts]
        table.add_row(_clock(run.tick_at, clocks), _state(run), *shown, str(run.batch_id or ""))
        if run.error_message:
            table.add_row("", Text(run.error_message, style="red"))
    return table


def _state(run: ScheduleRun | None) -> Text:
    if run is None:
        return Text("")
    details = [run.reason or "", f"{run.ticks:,} times" if run.ticks > 1 else "", "by hand" if run.by_hand else ""]
    words = ": ".join([run.state, ", ".join(detail for detail in details if detail)]) if any(details) else run.state
    return Text(words, style=STYLES[run.state])


def _next(view: ScheduleView) -> Text:
    if view.next_run_at is None:
        return Text("paused", style="yellow")
    return Text(_clock(view.next_run_at, _zone(view)))


def _clock(moment: datetime, clocks: ZoneInfo) -> str:
    return moment.astimezone(clocks).strftime("%Y-%m-%d %H:%M %Z")


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
