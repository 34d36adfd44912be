"""From options to what is asked of each media: shared by the verbs that submit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from reelmill.errors import SpecError

ASKED = "What to ask"
HOW = "How"
Stop = Annotated[
    list[str] | None,
    typer.Option("--stop", metavar="TEXT", help="An answer ends before it. Repeatable.", rich_help_panel=HOW),
]
ExportTo = Annotated[
    str | None,
    typer.Option(metavar="PREFIX", help="Leave the results there as files, when all is done.", rich_help_panel=HOW),
]
ExportFormat = Annotated[str, typer.Option(metavar="parquet|jsonl", help="Of those files.", rich_help_panel=HOW)]
_JSON_HELP = "Answered by JSON of the schema in this file."
_CHOICE_HELP = "Answered by one of these, with the probability of each: yes,no."


AskJson = Annotated[
    tuple[str, Path] | None,
    typer.Option("--ask-json", metavar="QUESTION SCHEMA_FILE", help=_JSON_HELP, rich_help_panel=ASKED),
]
AskChoice = Annotated[
    tuple[str, str] | None,
    typer.Option("--ask-choice", metavar="QUESTION CHOICES", help=_CHOICE_HELP, rich_help_panel=ASKED),
]
Summary = Annotated[
    bool,
    typer.Option("--summary", help="And what the captions of its parts come to (videos).", rich_help_panel=ASKED),
]
Scenes = Annotated[bool, typer.Option("--scenes", help="Answer every shot of a video on its own.", rich_help_panel=HOW)]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options ask; each may be missing."""

    caption: bool = False
    questions: Sequence[str] | None = None
    phrases: Sequence[str] | None = None
    of_schema: tuple[str, Path] | None = None
    of_choices: tuple[str, str] | None = None
    summary: bool = False

    def __bool__(self) -> bool:
        return any((self.caption, self.questions, self.phrases, self.of_schema, self.of_choices))


def tasks_of(asked: Asked) -> list[dict[str, Any]]:
    """The tasks of `--caption` (and `--summary`), `--ask`, `--ask-json`, `--ask-choice` and `--ground`.

    Raises:
        SpecError: nothing is asked, a summary without captions, or a schema file cannot be read.
    """
    if not asked:
        raise SpecError("nothing is asked", next_step='Add --caption, --ask "…?" or --ground "…"')
    if asked.summary and not asked.caption:
        raise SpecError("sums up captions", subject="--summary", next_step="Add --caption")
    caption = {"kind": "caption", **given(summary=asked.summary or None)}
    tasks: list[dict[str, Any]] = [caption] if asked.caption else []
    tasks += [{"kind": "ask", "questions": asked.questions}] if asked.questions else []
    if asked.of_schema:
        question, file = asked.of_schema
        tasks.append({"kind": "ask", "questions": [question], "json_schema": _schema_in(file)})
    if asked.of_choices:
        question, choices = asked.of_choices
        tasks.append({"kind": "ask", "questions": [question], "choices": choices.split(",")})
    tasks += [{"kind": "ground", "phrases": asked.phrases}] if asked.phrases else []
    return tasks


def _schema_in(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise SpecError(f"is no JSON file: {error}", subject=str(file)) from None


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
