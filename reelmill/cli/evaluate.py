"""`eval`: how well a model sees, and whether two runs answer the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from reelmill.cli.eval_steps import How, View, ask, read, show_drift, show_plan, show_scores
from reelmill.cli.exit_codes import ExitCode
from reelmill.cli.output import Json
from reelmill.cli.template import HOW, given
from reelmill.errors import SpecError
from reelmill.schema import DEFAULT_MODEL, Generation, Sampling

SHOWN = "What is shown"


def evaluate(
    labelled: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Labelled media: JSON lines, or a directory with truth.jsonl."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="PATH", help="Start a worker with this checkpoint, and services if none run."),
    ] = None,
    served_model_name: Annotated[
        str, typer.Option("--served-model-name", help="Without --model: the name that a running worker serves.")
    ] = DEFAULT_MODEL,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="ID", help="Score this batch; nothing new is submitted.")
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option("--compare", metavar="A B", help="Two batches, or files of `results -f jsonl`: the same?"),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="So many media, drawn by chance.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the drawing.")] = 0,
    resize: Annotated[
        Literal["exact", "fast"] | None, typer.Option(help="See `Sampling`.", show_default="exact", rich_help_panel=HOW)
    ] = None,
    num_segments: Annotated[
        int | None, typer.Option(help="Frames taken from a video.", show_default="8", rich_help_panel=HOW)
    ] = None,
    max_tiles: Annotated[
        int | None, typer.Option(help="Most tiles of an image.", show_default="the model's", rich_help_panel=HOW)
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Longest answer.", rich_help_panel=HOW)] = 128,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="LABEL", help="Break down by it. Repeatable.", rich_help_panel=SHOWN),
    ] = None,
    report: Annotated[
        Path, typer.Option("--report", help="The page of the worst cases.", rich_help_panel=SHOWN)
    ] = Path("eval.html"),
    worst: Annotated[int, typer.Option("--worst", min=0, help="Media on it; 0: no page.", rich_help_panel=SHOWN)] = 24,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file and show what would be asked.")] = False,
    as_json: Json = False,
) -> None:
    """Put labelled media through the mill and say how well the model sees: scores with 95% intervals.

    Exit code 1 if a job did not succeed, or with --compare if the runs differ beyond chance.

    Example: `reelmill eval shapes/ --model demo/model --limit 200`, `reelmill eval shapes/ --compare ID1 ID2`
    """
    if compare is not None:
        if model or batch or dry_run:
            raise SpecError(
                "compares what is done", subject="--compare", next_step="Leave out --model, --batch, --dry-run"
            )
        differs = show_drift(read(labelled, limit, seed) if labelled else None, *compare, as_json=as_json)
        raise typer.Exit(ExitCode.FAILED if differs else ExitCode.OK)
    if labelled is None:
        raise SpecError("no labelled media are named", subject="FILE", next_step="docs/eval.md has the format")
    if worst and not report.parent.is_dir():
        raise SpecError(
            "there is no such directory", subject=str(report.parent), next_step="Make it, or change --report"
        )
    media = read(labelled, limit, seed)
    if dry_run:
        show_plan(media, as_json=as_json)
        return
    sampling = Sampling(**given(resize=resize, num_segments=num_segments, max_tiles=max_tiles))
    how = How(model, served_model_name, batch, sampling, Generation(max_new_tokens=max_new_tokens), labelled)
    judged = ask(media, how, as_json=as_json)
    show_scores(judged, View(labelled.name, tuple(slices or ()), report, worst), as_json=as_json)
    if any(each.found is None for each in judged):
        raise typer.Exit(ExitCode.FAILED)
