"""From options to what is asked of each media: shared by the verbs that submit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from reelmill.errors import SpecError

ASKED = "What to ask"
HOW = "How"
Stop = Annotated[
    list[str] | None,
    typer.Option("--stop", metavar="TEXT", help="An answer ends before it. Repeatable.", rich_help_panel=HOW),
]


def tasks_of(caption: bool, questions: Sequence[str], phrases: Sequence[str]) -> list[dict[str, Any]]:
    """The tasks of `--caption`, `--ask` and `--ground`. Raises SpecError when nothing is asked."""
    tasks: list[dict[str, Any]] = [{"kind": "caption"}] if caption else []
    tasks += [{"kind": "ask", "questions": questions}] if questions else []
    tasks += [{"kind": "ground", "phrases": phrases}] if phrases else []
    if not tasks:
        raise SpecError("nothing is asked", next_step='Add --caption, --ask "…?" or --ground "…"')
    return tasks


def given(**options: Any) -> dict[str, Any]:
    """Those that were given, for a part of a spec."""
    return {name: value for name, value in options.items() if value is not None}


def labels_of(pairs: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` pairs. Raises SpecError for one that is none."""
    labels = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise SpecError("not a label", subject=pair, next_step="Write it as KEY=VALUE")
        labels[key] = value
    return labels
