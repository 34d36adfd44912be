"""The bar of `.wait(progress=True)`; imported when one is shown, because rich is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from reelmill.ledger.views import BatchStatus
from reelmill.pace import Pace
from reelmill.progress import ShowStatus, clock, told


class _Bar(Progress):
    """A bar with a line below it for what is being waited for; a column would squeeze the bar."""

    waiting_for = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.waiting_for:
            yield Text(self.waiting_for, style="yellow")


@contextmanager
def bar(title: str, console: Console) -> Iterator[ShowStatus]:
    """A bar on this console while the block runs."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}", style="cyan"),
        TextColumn("{task.fields[note]}"),
    )
    pace = Pace()
    with _Bar(*columns, console=console, auto_refresh=not console.is_jupyter) as progress:
        line = progress.add_task(title, total=None, rate="", left="", note="")

        def show(status: BatchStatus, waiting_for: str = "") -> None:
            pace.saw(time.monotonic(), status.finished)
            rate, left_s = pace.jobs_per_s, pace.remaining_s(status.total - status.finished)
            progress.waiting_for = waiting_for
            progress.update(
                line,
                total=status.total,
                completed=status.finished,
                rate=f"{rate:.1f} jobs/s" if rate else "",
                left=f"{clock(left_s)} left" if left_s else "",
                note=f"[red]{told(status)}[/]" if status.failed else told(status),
            )
            progress.refresh()

        yield show
