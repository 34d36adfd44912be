"""The demo's table on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from rich.table import Table

from reelmill.eval.run import Judged
from reelmill.eval.verdict import Kind, Verdict


def results_table(judged: Iterable[Judged]) -> Table:
    """A caption and the number of right answers per media, beside the truth."""
    table = Table(title="What the rows say, beside the truth")
    table.add_column("media", no_wrap=True)
    table.add_column("caption", ratio=3)
    table.add_column("truth", ratio=3)
    table.add_column("answers", justify="right", no_wrap=True)
    table.add_column("boxes", justify="right", no_wrap=True)
    for each in judged:
        said = next((verdict for verdict in each.verdicts if verdict.place.kind == "caption"), None)
        name = PurePosixPath(each.media.uris[0]).name
        table.add_row(
            name,
            _words(said),
            said.truth if said else "",
            _right(each.verdicts, "answer"),
            _right(each.verdicts, "boxes"),
        )
    return table


def _words(said: Verdict | None) -> str:
    """Two images of one job have no caption."""
    if said is None:
        return ""
    return f"[{'green' if said.right else 'yellow'}]{said.said}[/]" if said.answered else "[red]failed[/]"


def _right(verdicts: Sequence[Verdict], kind: Kind) -> str:
    of_kind = [verdict for verdict in verdicts if verdict.place.kind == kind]
    return f"{sum(verdict.right for verdict in of_kind)}/{len(of_kind)}"
