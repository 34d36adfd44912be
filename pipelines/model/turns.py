"""The arguments of the published chat() and batch_chat(), as the turns that they ask for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.errors import PromptError
from pipelines.model.template import IMAGE_PLACEHOLDER, Conversation


@dataclass(frozen=True, slots=True)
class Turn:
    """One prompt of a call, and the tiles of its pictures."""

    conversation: Conversation
    tiles_per_image: tuple[int, ...]


def batch_turns(questions: Sequence[str], counts: Sequence[int], pixels: bool) -> list[Turn]:
    """One turn per count; a question about pixels without `<image>` gets one in front.

    Raises:
        PromptError: fewer questions than counts. More are a warning, as published: the rest is not answered.
    """
    if len(questions) < len(counts):
        raise PromptError(f"{len(questions)} questions for {len(counts)} entries of num_patches_list")
    if len(questions) > len(counts):
        warnings.warn(
            f"num_patches_list has {len(counts)} entries: only so many of the {len(questions)} questions are answered",
            UserWarning,
            stacklevel=3,
        )
    return [_batch_turn(question, count, pixels) for question, count in zip(questions, counts, strict=False)]


def _batch_turn(question: str, count: int, pixels: bool) -> Turn:
    if pixels and IMAGE_PLACEHOLDER not in question:
        question = f"{IMAGE_PLACEHOLDER}\n{question}"
    return Turn(Conversation(question), (count,) if IMAGE_PLACEHOLDER in question else ())


def check_tiles(tiles: int | None, turns: Sequence[Turn]) -> None:
    """Check that the turns' pictures use up exactly `tiles` (None for text alone).

    Raises:
        PromptError: they do not.
    """
    counts = [count for turn in turns for count in turn.tiles_per_image]
    if any(count < 0 for count in counts):
        raise PromptError("num_patches_list has a negative count")
    if tiles == 0:
        raise PromptError("pixel_values has no tiles", next_step="Give None to ask about text alone")
    if sum(counts) != (tiles or 0):
        raise PromptError(
            f"num_patches_list adds up to {sum(counts)} tiles, pixel_values has {tiles or 0}",
            next_step="Give the number of tiles of each picture, in order",
        )
