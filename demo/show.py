"""The demo's tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.table import Table

from demo.judge import Verdict
from demo.score import Tally
from demo.world import Truth


def results_table(truths: Iterable[Truth], verdicts: Mapping[str, tuple[Verdict, ...]]) -> Table:
    """A caption and the number of right answers per media, beside the truth."""
    table = Table(title="What the rows say, beside the truth")
    table.add_column("media", no_wrap=True)
    table.add_column("caption", ratio=3)
    table.add_column("truth", ratio=3)
    table.add_column("answers", justify="right", no_wrap=True)
    table.add_column("boxes", justify="right", no_wrap=True)
    for truth in truths:
        found = verdicts[truth.media]
        said = next((verdict for verdict in found if verdict.kind == "caption"), None)
        words = f"[{'green' if said.right else 'yellow'}]{said.said}[/]" if said else "[red]failed[/]"
        table.add_row(truth.media, words, said.truth if said else "", _right(found, "ask"), _right(found, "ground"))
    return table


def scores_table(tally: Tally) -> Table:
    """Shares in percent, and how many results stand behind each."""
    table = Table(title="Scores")
    table.add_column("what")
    table.add_column("right", justify="right")
    table.add_column("of", justify="right")
    counts = tally.counts()
    for name, score in tally.scores().items():
        table.add_row(name.replace("_", " "), f"{score:.0%}", str(counts[name]))
    return table


def _right(verdicts: tuple[Verdict, ...], kind: str) -> str:
    of_kind = [verdict for verdict in verdicts if verdict.kind == kind]
    return f"{sum(verdict.right for verdict in of_kind)}/{len(of_kind)}"
