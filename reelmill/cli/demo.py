"""`demo`: the whole mill on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from reelmill.cli.exit_codes import ExitCode
from reelmill.cli.output import Json, console, error_console, write_json
from reelmill.errors import MissingExtraError


def demo(
    media: Annotated[int, typer.Option(min=1, help="Images and videos to render.")] = 18,
    long_videos: Annotated[int, typer.Option(min=0, help="How many of them are 1080p and a minute long.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the shapes world.")] = 2026,
    folder: Annotated[Path, typer.Option(help="Where they go.")] = Path(".reelmill/demo"),
    report: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    as_json: Json = False,
) -> None:
    """Render media, start services and a worker here, and print results beside the truth.

    Exit code 1 if a job did not succeed.

    Example: `reelmill demo`
    """
    if find_spec("demo") is None or find_spec("demo.mill") is None:
        raise MissingExtraError(
            "the shapes world comes with the repository, not with the package",
            subject="demo",
            next_step="Clone the repository and run `make demo`",
        )
    from demo.mill import DemoOptions, run

    options = DemoOptions(folder=folder, report=report, media=media, long_videos=long_videos, seed=seed)
    outcome = run(options, error_console() if as_json else console())
    if as_json:
        write_json(outcome)
    if outcome.succeeded < outcome.total:
        raise typer.Exit(ExitCode.FAILED)
