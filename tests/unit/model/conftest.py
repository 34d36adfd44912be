"""The golden checkpoint, what the published reference computed with it, and copies of it to break."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.internvl import InternVL
from pipelines.model.types import ChatRequest, VisualInput
from reelmill.schema.tasks import Generation

GOLDEN = Path(__file__).parents[2] / "golden"
CASE = GOLDEN / "internvl2_5-qwen2"
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
NEW_TOKENS = 24


@dataclass(frozen=True)
class Golden:
    """The recorded conversations and tensors of one case."""

    facts: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    pixels: dict[str, torch.Tensor]

    def conversation(self, name: str) -> dict[str, Any]:
        return self.facts["conversations"][name]

    def pixel_values(self, conversation: dict[str, Any]) -> torch.Tensor | None:
        parts = [self.pixels[part.get("image") or part["video"]] for part in conversation["pixel_values"] or ()]
        return torch.cat(parts) if parts else None

    def request(self, name: str, **changes: Any) -> ChatRequest:
        """The recorded `chat` call as a request with uint8 tiles."""
        conversation = self.conversation(name)
        values = self.pixel_values(conversation)
        visual = None
        if values is not None:
            counts = tuple(conversation["num_patches_list"] or [len(values)])
            sources = "+".join(str(part) for part in conversation["pixel_values"])
            visual = VisualInput(to_uint8(values), counts, tuple(f"{sources}#{i}" for i in range(len(counts))))
        settings: dict[str, Any] = {
            "question": self.asked(name),
            "visual": visual,
            "history": tuple((asked, said) for asked, said in conversation["history_in"] or ()),
            "generation": Generation(max_new_tokens=NEW_TOKENS),
        }
        return ChatRequest(**{**settings, **changes})

    def asked(self, name: str) -> str:
        """The question as it stands in the history afterwards: with the `<image>` that chat() puts in front."""
        return str(self.conversation(name)["history_out"][-1][0])

    def ids(self, name: str) -> tuple[int, ...]:
        return tuple(self.conversation(name)["generated_ids"][0])

    @property
    def single(self) -> list[str]:
        return [name for name, facts in self.facts["conversations"].items() if facts["call"] == "chat"]

    @property
    def batched(self) -> list[str]:
        return [name for name, facts in self.facts["conversations"].items() if facts["call"] == "batch_chat"]


def published(tiles: torch.Tensor) -> torch.Tensor:
    """Published pixel values of uint8 tiles; floats are such values already."""
    return tiles if tiles.is_floating_point() else ((tiles.float() / 255 - MEAN) / STD).permute(0, 3, 1, 2)


def to_uint8(pixel_values: torch.Tensor) -> np.ndarray:
    """The tiles that published pixel values were made of."""
    tiles = pixel_values.permute(0, 2, 3, 1) * STD + MEAN
    return (tiles * 255).round().to(torch.uint8).contiguous().numpy()


@pytest.fixture(scope="session")
def golden() -> Golden:
    facts = json.loads((CASE / "golden.json").read_bytes())
    tiles = load_file(GOLDEN / facts["pixel_values_file"])
    tiles |= load_file(GOLDEN / "media" / "golden_video.safetensors")
    pixels = {name.removeprefix("pixel_values."): published(values) for name, values in tiles.items()}
    return Golden(facts, load_file(CASE / "golden.safetensors"), pixels)


@pytest.fixture(scope="session")
def behaviour() -> dict[str, dict[str, Any]]:
    rows = json.loads((GOLDEN / "behaviour.json").read_bytes())["rows"]
    return {row["name"]: row for row in rows}


@pytest.fixture(scope="session")
def model() -> InternVL:
    return InternVL(load_checkpoint(str(CASE), dtype="float32", device="cpu"))


@pytest.fixture
def copy_checkpoint(copy_of: Callable[..., Path]) -> Callable[..., Path]:
    """A copy of the golden checkpoint; keyword arguments replace keys of its config (None removes them)."""
    return partial(copy_of, CASE.name)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[..., Path]:
    """A copy of a golden checkpoint by name, changed likewise."""

    def copy(name: str, llm_config: dict[str, Any] | None = None, **changes: Any) -> Path:
        directory = tmp_path / "checkpoint"
        directory.mkdir()
        for file in (GOLDEN / name).iterdir():
            if not file.name.startswith("golden"):
                shutil.copyfile(file, directory / file.name)
        config = json.loads((directory / "config.json").read_bytes())
        config |= changes
        config["llm_config"] |= llm_config or {}
        config = {key: value for key, value in config.items() if value is not None}
        (directory / "config.json").write_text(json.dumps(config))
        return directory

    return copy
