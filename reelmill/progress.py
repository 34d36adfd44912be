"""Progress of a wait: how many are done, how fast, how long still, how many failed, and what holds it up.

A bar in a terminal (and in a notebook that has ipywidgets); lines where standard error is a file, a pipe or a notebook
without widgets, so that the log of a night's run tells how it went.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from reelmill.ledger.views import BatchStatus
from reelmill.pace import Pace

if TYPE_CHECKING:
    from rich.console import Console

FIRST_LINES_APART_S = 5.0
LINES_APART_S = 60.0
LINE_PAUSE_GROWTH = 1.5


class ShowStatus(Protocol):
    """Takes what was seen of a batch, and a sentence on what it waits for."""

    def __call__(self, status: BatchStatus, waiting_for: str = "") -> None: ...


@contextmanager
def batch_progress(title: str, *, shown: bool) -> Iterator[ShowStatus]:
    """A bar (or lines) on standard error, or in a notebook, while the block runs; silent unless `shown`."""
    if not shown:
        yield _silent
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if _can_redraw(console):
        from reelmill.progress_bar import bar

        with bar(title, console) as show:
            yield show
    else:
        lines = _Lines(title, console)
        try:
            yield lines.show
        finally:
            lines.end()


def told(status: BatchStatus) -> str:
    """The counts that are worth a word beside `finished/total`: `3 running, 1 failed`."""
    counts = {"running": status.running, "failed": status.failed, "cancelled": status.cancelled}
    words = [f"{count:,} {name}" for name, count in counts.items() if count]
    return ", ".join([*words, "still listing"] if status.scanning else words)


def clock(seconds: float) -> str:
    """75 s → 1:15; 3,725 s → 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


class _Lines:
    """A line when something has changed: the first soon after each other, later every minute; one at the end."""

    def __init__(self, title: str, console: Console) -> None:
        self._title = title
        self._console = console
        self._pace = Pace()
        self._pause_s = FIRST_LINES_APART_S
        self._next_at = 0.0
        self._latest = self._printed = ""

    def show(self, status: BatchStatus, waiting_for: str = "") -> None:
        now = time.monotonic()
        self._pace.saw(now, status.finished)
        self._latest = self._line(status, waiting_for)
        if now >= self._next_at:
            self.end()
            self._next_at = now + self._pause_s
            self._pause_s = min(self._pause_s * LINE_PAUSE_GROWTH, LINES_APART_S)

    def end(self) -> None:
        """What was seen last, unless it stands there already."""
        if self._latest != self._printed:
            self._console.print(self._latest, markup=False, soft_wrap=True)
            self._printed = self._latest

    def _line(self, status: BatchStatus, waiting_for: str) -> str:
        rate, left_s = self._pace.jobs_per_s, self._pace.remaining_s(status.total - status.finished)
        parts = [
            f"{self._title}  {status.finished:,}/{status.total:,}",
            f"{rate:.1f} jobs/s" if rate else "",
            f"{clock(left_s)} left" if left_s else "",
            told(status),
            waiting_for,
        ]
        return "  ".join(part for part in parts if part)


def _silent(status: BatchStatus, waiting_for: str = "") -> None:
    return None


def _can_redraw(console: Console) -> bool:
    """rich draws over what it drew in a terminal, and in a notebook through ipywidgets."""
    return find_spec("ipywidgets") is not None if console.is_jupyter else console.is_terminal
