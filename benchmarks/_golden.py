"""Recorded conversations of a golden case, as calls of our own interface."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from pipelines.model.types import ChatRequest, VisualInput
from reelmill.schema.tasks import Generation

Tiles = npt.NDArray[np.uint8]
NEW_TOKENS = 24
_MEAN, _STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@dataclass(frozen=True, eq=False)
class Recorded:
    """One recorded prompt of a conversation (a batch has several), and what the reference said to it.

    `logits` are those of the first generated tokens, each [vocabulary].
    """

    conversation: str
    row: int
    question: str
    history: tuple[tuple[str, str], ...]
    tiles: Tiles | None
    tiles_per_image: tuple[int, ...]
    prompt: str
    response: str
    input_ids: tuple[int, ...]
    generated_ids: tuple[int, ...]
    logits: tuple[torch.Tensor, ...]

    def request(self) -> ChatRequest:
        """The same turn for an engine."""
        visual = None
        if self.tiles is not None:
            keys = tuple(f"{self.conversation}/{self.row}/{image}" for image in range(len(self.tiles_per_image)))
            visual = VisualInput(self.tiles, self.tiles_per_image, keys)
        return ChatRequest(self.question, visual, self.history, Generation(max_new_tokens=NEW_TOKENS))

    def worst(self, steps: Sequence[torch.Tensor]) -> float:
        """The largest difference between `steps`, the logits of the first tokens, and those recorded for them."""
        pairs = zip(steps[: len(self.generated_ids)], self.logits, strict=False)
        return max(float((step.cpu().float() - expected).abs().max()) for step, expected in pairs)

    @property
    def fits_an_engine(self) -> bool:
        """False for a picture of no tiles, which only the published batch_chat knows."""
        return 0 not in self.tiles_per_image


class GoldenCase:
    """A case directory, beside the `inputs` and `media` that it names."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.facts: dict[str, Any] = json.loads((directory / "golden.json").read_bytes())
        self.conversations: dict[str, Any] = self.facts["conversations"]
        self._tensors = load_file(directory / "golden.safetensors")
        pixels = directory.parent / self.facts["pixel_values_file"]
        self._tiles = _tiles(pixels) | _tiles(directory.parent / "media" / "golden_video.safetensors")
        self._other = _others(pixels)

    def features(self) -> Iterator[tuple[Tiles, torch.Tensor]]:
        """Tiles and the features that the reference made of them, also at another resolution."""
        for name, expected in self._tensors.items():
            kind, _, image = name.partition(".")
            if kind == "vit_features":
                yield self._tiles[image], expected
            elif kind == "vit_features_other_resolution" and image in self._other:
                yield self._other[image], expected

    def tiles(self, name: str) -> Tiles | None:
        """The tiles of a recorded call."""
        sources = self.conversations[name]["pixel_values"] or ()
        parts = [self._tiles[part.get("image") or part["video"]] for part in sources]
        return np.concatenate(parts) if parts else None

    def rows(self, name: str) -> list[Recorded]:
        """The prompts of a conversation."""
        facts = self.conversations[name]
        return [self._chat(name)] if facts["call"] == "chat" else [*self._batch(name)]

    def _chat(self, name: str) -> Recorded:
        facts, tiles = self.conversations[name], self.tiles(name)
        return Recorded(
            conversation=name,
            row=0,
            question=facts["history_out"][-1][0],
            history=tuple((asked, said) for asked, said in facts["history_in"] or ()),
            tiles=tiles,
            tiles_per_image=() if tiles is None else tuple(facts["num_patches_list"] or [len(tiles)]),
            prompt=facts["prompt"],
            response=facts["response"],
            **self._said(name, 0),
        )

    def _batch(self, name: str) -> Iterator[Recorded]:
        facts, tiles = self.conversations[name], self.tiles(name)
        counts = facts["num_patches_list"]
        shares = [None] * len(counts) if tiles is None else np.split(tiles, np.cumsum(counts)[:-1])
        for row, question in enumerate(facts["questions"]):
            named = tiles is None or "<image>" in question
            yield Recorded(
                conversation=name,
                row=row,
                question=question if named else f"<image>\n{question}",
                history=(),
                tiles=shares[row],
                tiles_per_image=() if tiles is None else (counts[row],),
                prompt=facts["prompts"][row],
                response=facts["responses"][row],
                **self._said(name, row),
            )

    def _said(self, name: str, row: int) -> dict[str, Any]:
        facts, stop = self.conversations[name], self.facts["eos_token_id"]
        ids, mask, said = facts["input_ids"][row], facts["attention_mask"], facts["generated_ids"][row]
        real = ids if mask == "all ones" else [token for token, kept in zip(ids, mask[row], strict=True) if kept]
        steps = self._tensors.get(f"step_logits.{name}")
        return {
            "input_ids": tuple(real),
            "generated_ids": tuple(said[: said.index(stop) + 1] if stop in said else said),
            "logits": (self._tensors[f"logits_last.{name}"][row], *(() if steps is None else steps[row][1:])),
        }


def to_uint8(pixel_values: torch.Tensor) -> Tiles:
    """The tiles that published pixel values were made of; tiles stay as they are."""
    if pixel_values.dtype == torch.uint8:
        return pixel_values.numpy()
    tiles = pixel_values.permute(0, 2, 3, 1) * _STD + _MEAN
    found: Tiles = (tiles * 255).round().to(torch.uint8).contiguous().numpy()
    return found


def _tiles(file: Path) -> dict[str, Tiles]:
    """Pictures by name, stored as pixel values or as tiles; frames that are not cut into squares are left out."""
    pictures = load_file(file).items()
    return {
        name.removeprefix("pixel_values."): to_uint8(values)
        for name, values in pictures
        if not name.startswith("frames_")
    }


def _others(pixels: Path) -> dict[str, Tiles]:
    """The same pictures cut to another size of tiles."""
    found = sorted(file for file in pixels.parent.glob("pixel_values_*.safetensors") if file != pixels)
    return _tiles(found[0]) if found else {}
