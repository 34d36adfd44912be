"""`doctor`: what is in force here, and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelmill.cli.exit_codes import ExitCode
from reelmill.cli.output import Json, console, write_json

if TYPE_CHECKING:
    from reelmill.doctor import Diagnosis

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


def doctor(
    show_all: Annotated[bool, typer.Option("--all", help="Also settings that have their default.")] = False,
    as_json: Json = False,
) -> None:
    """Show the settings in force and check each part: database, Redis, storage, libraries, GPUs, disk.

    Exit code 1 if a check failed.

    Example: `reelmill doctor`
    """
    from reelmill.doctor import diagnose

    diagnosis = diagnose()
    if as_json:
        write_json({"healthy": diagnosis.healthy, "checks": diagnosis.checks, "settings": diagnosis.settings})
    else:
        _print(diagnosis, show_all=show_all)
    if not diagnosis.healthy:
        raise typer.Exit(ExitCode.FAILED)


def _print(diagnosis: Diagnosis, *, show_all: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    checks = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for check in diagnosis.checks:
        checks.add_row(MARKS[check.status], escape(check.name), escape(check.message))
        if check.next_step:
            checks.add_row("", "", f"[dim]{escape(check.next_step)}[/]")
    console().print(checks)
    shown = [row for row in diagnosis.settings if show_all or row.source != "default"]
    settings = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for row in shown:
        settings.add_row(escape(row.name), escape(row.value or "–"), f"[dim]{row.source}[/]")
    console().print(
        f"\n{len(shown)} of {len(diagnosis.settings)} settings"
        + ("" if show_all else " differ from their default (--all)")
    )
    console().print(settings)
