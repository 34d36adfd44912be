"""`python -m demo.world --seed N --count M --out DIR`: a folder of media with their truth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from demo.world.media import plan, write_world
from demo.world.truth import TRUTH_FILE


def main(
    seed: Annotated[int, typer.Option(help="The same seed and count give the same world.")],
    count: Annotated[int, typer.Option(min=1, help="How many media in all; a pair of images is one.")],
    out: Annotated[Path, typer.Option(help="Folder to fill; made when missing.")],
    video_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the files that are videos.")] = 0.3,
    long_videos: Annotated[int, typer.Option(min=0, help="How many of the videos are 1080p and a minute long.")] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="Nothing but shapes apart from each other.")] = False,
) -> None:
    """Render images and videos of coloured shapes, and what is true of them."""
    truths = write_world(out, seed, plan(count, video_share, long_videos, plain))
    sys.stdout.write(f"{len(truths)} media and {out / TRUTH_FILE}\n")


if __name__ == "__main__":
    typer.run(main)
