"""The deployment files, parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[3]
DOCKER = REPOSITORY / "docker"


@dataclass(frozen=True)
class Instruction:
    """A line of a Dockerfile, continuations joined; `stage` is the name of the stage that it belongs to."""

    stage: str
    keyword: str
    argument: str


def dockerfile() -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    found, stage = [], ""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.strip():
            keyword, argument = line.split(maxsplit=1)
            if keyword == "FROM":
                stage = argument.split()[-1]
            found.append(Instruction(stage, keyword, argument))
    return found


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((DOCKER / name).read_text())
    return parsed


def parses(arguments: list[str]) -> None:
    """Fails unless the `reelmill` command knows this verb and these options."""
    import typer.main

    from reelmill.cli.app import app

    verb = typer.main.get_command(app).commands[arguments[0]]  # type: ignore[attr-defined]
    verb.make_context(arguments[0], list(arguments[1:]))
