"""`python -m demo.evaluate`: the published checkpoint on unseen media files, through production's stages.

As `reelmill eval` does it, but in this process, without queue and database: for a look in between while training.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer

from demo.straight import StraightMill
from demo.world import plan, write_world
from pipelines.media.decode import DecodePool
from pipelines.model.load import load_backend
from reelmill.eval.labelled_file import read_labelled
from reelmill.eval.run import Questioning
from reelmill.eval.scores import Score, scores, slices
from reelmill.schema import Generation, Sampling
from reelmill.settings import Settings
from worker.runner import Runner
from worker.storage import Storage

GENERATION = Generation(max_new_tokens=96)


def evaluate(model: Path, folder: Path, sampling: Sampling) -> tuple[Score, ...]:
    """Scores over everything in a folder that `write_world` filled, and per kind of media."""
    settings = Settings(file_roots=(folder.resolve(),))
    backend = load_backend(str(model), dtype="float32", device="cpu")
    try:
        with DecodePool(processes=1) as decoders:
            mill = StraightMill(Runner(settings, Storage(settings), decoders, backend, folder))
            judged = mill.judged(read_labelled(folder), Questioning(sampling=sampling, generation=GENERATION))
    finally:
        backend.close()
    verdicts = [verdict for each in judged for verdict in each.verdicts]
    return (*scores(verdicts), *slices(verdicts, ["kind"]))


def main(
    model: Annotated[Path, typer.Option(help="Folder of the checkpoint.")] = Path("demo/model"),
    seed: Annotated[int, typer.Option(help="Seed of the world; training never draws from these.")] = 424242,
    count: Annotated[int, typer.Option(help="Media files.")] = 100,
    max_tiles: Annotated[
        int | None, typer.Option(min=1, help="Tiles of an image; by default the checkpoint's.")
    ] = None,
    video_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the files that are videos.")] = 0.3,
    plain: Annotated[bool, typer.Option("--plain", help="Nothing but shapes apart from each other.")] = False,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
) -> None:
    """Score the checkpoint on unseen media; the last line is one JSON object."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder), seed, plan(count, video_share, plain=plain))
        found = evaluate(model, Path(folder), Sampling(max_tiles=max_tiles))
    named = {"_".join(filter(None, (score.metric, score.slice))): score for score in found}
    sys.stdout.write(json.dumps({"results": {name: score.count for name, score in named.items()}}) + "\n")
    sys.stdout.write(json.dumps({name: round(score.value, 4) for name, score in named.items()}) + "\n")


if __name__ == "__main__":
    typer.run(main)
