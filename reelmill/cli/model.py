"""`model`: what can be served here, and what a checkpoint is and needs."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reelmill.cli.output import Json, console, error_console, write_json
from reelmill.extras import extra

if TYPE_CHECKING:
    from pipelines.model.requirements import Fit, Requirements
    from pipelines.model.trial import Trial

model = typer.Typer(help="Checkpoints: which there are, what one is and needs, and whether it works here.")


@model.command("list")
def list_models(as_json: Json = False) -> None:
    """The models of the InternVL cards, and how each is served here.

    Example: `reelmill model list`
    """
    with extra("worker", purpose="`reelmill model list`"):
        from pipelines.model.catalogue import CARD_MODELS

    if as_json:
        write_json({"models": [asdict(row) for row in CARD_MODELS]})
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("model", "made of", "template", "here"):
        table.add_column(heading, no_wrap=True)
    for row in CARD_MODELS:
        parts = f"{row.vision.removeprefix('InternViT-')} + {row.language_model}"
        table.add_row(row.name, parts, row.template, row.state)
    console().print(table)
    console().print("lmdeploy: served with `reelmill worker --backend lmdeploy`", highlight=False)


@model.command()
def check(
    path_or_id: Annotated[str, typer.Argument(metavar="PATH_OR_ID", help="A directory or a hub id.")],
    revision: Annotated[str | None, typer.Option(help="Of a hub id: branch, tag or commit.")] = None,
    dtype: Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:0, or several: cuda:0,cuda:1.")] = "auto",
    quantization: Annotated[Literal["none", "int8"], typer.Option(help="int8 needs bitsandbytes to load.")] = "none",
    load: Annotated[bool, typer.Option(help="Load it, where there is room, and ask about a built-in picture.")] = True,
    as_json: Json = False,
) -> None:
    """Check a checkpoint: what it is, what it needs, and what it says about a red square.

    Exit code 1 if it cannot be loaded; the message names what is wrong.

    Example: `reelmill model check OpenGVLab/InternVL3-1B`
    """
    with extra("worker", purpose="`reelmill model check`"):
        from pipelines.model.requirements import examine
        from pipelines.model.trial import try_out

    needs = examine(path_or_id, revision=revision, dtype=dtype, device=device, quantization=quantization)
    if not as_json:
        _print_requirements(needs)
    trial = try_out(needs, revision=revision, dtype=dtype, device=device) if load else None
    if as_json:
        write_json({**asdict(needs), "fits": [_fit_json(fit) for fit in needs.fits], "trial": trial})
    elif trial is not None:
        _print_trial(trial)


def _fit_json(fit: Fit) -> dict[str, Any]:
    return {"memory": fit.memory, "gpus": fit.gpus, "layers": _ranges(fit.layers)}


def _print_requirements(needs: Requirements) -> None:
    from rich.table import Table

    rows = {
        "model": needs.name + (f" at {needs.revision}" if needs.revision else ""),
        "layout": needs.layout,
        "language model": needs.family,
        "template": needs.template,
        "tiles": f"{needs.tile_size} px, {needs.tokens_per_tile} tokens each, up to {needs.max_tiles} per image",
        "window": f"{needs.context_tokens:,} tokens",
        "parameters": f"{needs.parameters:,}, stored as {', '.join(needs.stored_dtypes)}",
        "weights": _weights(needs),
        "cache": f"{_size(needs.kv_bytes_per_token)} per token",
    }
    rows |= {f"{fit.memory} GPUs": _fit_text(fit) for fit in needs.fits}
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in rows.items():
        table.add_row(name, value)
    console().print(table)


def _weights(needs: Requirements) -> str:
    if needs.quantization == "int8":
        return f"{_size(needs.weight_bytes)} in {needs.dtype} with int8 linear layers"
    return f"{_size(needs.weight_bytes)} in {needs.dtype}; {_size(needs.int8_bytes)} with --quantization int8"


def _print_trial(trial: Trial) -> None:
    from rich.text import Text

    if trial.completion is None:
        error_console().print(f"not loaded: {trial.skipped}", style="yellow")
        return
    console().print(f"loaded on {trial.device} in {trial.load_s:.1f} s, answered in {trial.answer_s:.1f} s:")
    console().print(Text(trial.completion.text or "(nothing)", style="green"))


def _fit_text(fit: Fit) -> str:
    if fit.gpus is None:
        return "more than 8"
    return "1" if fit.gpus == 1 else f"{fit.gpus} (layers {', '.join(_ranges(fit.layers))})"


def _ranges(places: tuple[int, ...]) -> list[str]:
    """`0-7 on 0` for each run of layers on one GPU."""
    found, at = [], 0
    for gpu, run in groupby(places):
        count = len(list(run))
        found.append(f"{at}-{at + count - 1} on {gpu}" if count > 1 else f"{at} on {gpu}")
        at += count
    return found


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} GiB"
