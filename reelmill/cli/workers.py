"""`workers`: who is alive, and on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from reelmill.cli.database import opened_database
from reelmill.cli.exit_codes import ExitCode
from reelmill.cli.output import Json, console, write_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reelmill.ledger.workers import WorkerView

STYLES = {"alive": "green", "silent": "red", "stopped": "dim"}


def workers(
    model: Annotated[str | None, typer.Option(help="Only those that serve this name.", show_default="all")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Also those that stopped in order, of the last day.")] = False,
    as_json: Json = False,
) -> None:
    """Show the workers of the last day: which model, where, how many jobs they hold, since when one is silent.

    Exit code 1 if none is alive.

    Example: `reelmill workers --model default`
    """
    from reelmill.ledger.workers import list_workers

    with opened_database() as database:
        listed = [each for each in list_workers(database) if model in (None, each.model)]
    shown = [each for each in listed if show_all or _state(each) != "stopped"]
    if as_json:
        for each in shown:
            write_json({"worker": each.id, "state": _state(each), **asdict(each)})
    else:
        console().print(_table(shown))
    if not any(_state(each) == "alive" for each in listed):
        raise typer.Exit(ExitCode.FAILED)


def _state(worker: WorkerView) -> str:
    from reelmill.ledger.obstacles import ALIVE_S

    if worker.retired_at is not None:
        return "stopped"
    return "alive" if worker.silent_s <= ALIVE_S else "silent"


def _table(shown: Sequence[WorkerView]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    if not shown:
        return Text("No worker is alive. Start one: reelmill worker --model PATH_OR_HUB_ID", style="yellow")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("model", "state", "jobs", "device", "host", "pid", "heard"):
        table.add_column(name, justify="right" if name in ("jobs", "pid") else "left", overflow="fold")
    for each in shown:
        state = _state(each)
        table.add_row(
            Text(each.model),
            Text(state, style=STYLES[state]),
            f"{each.running}/{each.concurrency}",
            Text(each.device),
            Text(each.hostname),
            str(each.pid),
            f"{_ago(each.silent_s)} ago",
        )
    return table


def _ago(seconds: float) -> str:
    """12 s, 5 min, 3 h."""
    for unit, length_s in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
