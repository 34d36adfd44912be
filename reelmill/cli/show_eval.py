"""How scores and drift look to people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reelmill.eval.drift import Drift, conclusion
from reelmill.eval.scores import HEADLINE, Score


def scores_table(found: Iterable[Score]) -> RenderableType:
    """A line per metric, those that every run is told by first."""
    table = _table(("what", "score", "95% interval", "of"))
    order = {name: place for place, name in enumerate(HEADLINE)}
    for score in sorted(found, key=lambda score: order.get(score.metric, len(order))):
        table.add_row(score.metric.replace("_", " "), *_cells(score))
    return table


def slices_table(found: Iterable[Score]) -> RenderableType:
    """The same per slice."""
    table = _table(("where", "what", "score", "95% interval", "of"))
    for score in found:
        table.add_row(Text(f"{score.label}={score.slice}"), score.metric.replace("_", " "), *_cells(score))
    return table


def drift_table(lines: Sequence[Drift]) -> RenderableType:
    """A line per task, and the conclusion."""
    table = _table(("task", "asked", "equal", "mean IoU", "in words"))
    for line in lines:
        overlap = "" if line.mean_iou is None else f"{line.mean_iou:.4f}"
        table.add_row(Text(line.score), f"{line.count:,}", f"{line.agreement:.2%}", overlap, Text(line.words))
    return Group(table, Text(conclusion(lines), style="bold"))


def plan_table(tasks: Mapping[str, int]) -> RenderableType:
    """How much of each task would be asked."""
    table = _table(("task", "questions"))
    for name, count in sorted(tasks.items()):
        table.add_row(Text(name), f"{count:,}")
    return table


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in columns:
        words = name in ("what", "where", "task", "in words")
        table.add_column(name, justify="left" if words else "right", overflow="fold")
    return table


def _cells(score: Score) -> tuple[str, str, str]:
    return f"{score.value:.1%}", f"{score.low:.1%} – {score.high:.1%}", f"{score.count:,}"
