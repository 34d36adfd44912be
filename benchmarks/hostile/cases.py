"""What a hostile file is, and what may come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Expect = Literal["frames", "error", "either"]


@dataclass(frozen=True, slots=True)
class Scene:
    """Where files are made: the folder, what lies there to be stolen, and a server that must never be asked."""

    folder: Path
    secret: Path
    canary_url: str
    seed: int


@dataclass(frozen=True, slots=True)
class Case:
    """One file.

    Attributes:
        name: of the file, below its scene's folder.
        make: writes it (or a link, or something odd) at a path.
        expect: "frames": the right ones; "error": a typed one; "either": damaged, so right ones, an error, or others
            that are counted as damage.
        truth: which pictures are right: "numbers" and "colour" are those of `pictures`, "any" where nobody can say.
        quick: takes well under a second.
    """

    name: str
    make: Callable[[Path, Scene], object]
    expect: Expect
    truth: Literal["numbers", "colour", "any"] = "colour"
    quick: bool = True
