"""Checkpoints that transformers itself wrote give what the published code recorded for the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks._golden import GoldenCase
from pipelines.errors import CheckpointError
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.config import read_config
from pipelines.model.internvl import InternVL
from tests.hf_layout import written_by_transformers

from .conftest import GOLDEN

GREEDY = {"max_new_tokens": 24}


def test_qwen2_with_the_small_vision_model(tmp_path: Path) -> None:
    case = GOLDEN / "internvl2_5-qwen2"
    model = InternVL(load_checkpoint(str(written_by_transformers(case, tmp_path)), device="cpu"))
    assert (model.config.layout, model.info.template, model.info.tile_size) == ("hf", "internvl2_5", 112)
    recorded = GoldenCase(case)
    for name in ("text", "single_image", "single_image_other"):
        (row,) = recorded.rows(name)
        assert model.chat(row.tiles, row.question, GREEDY) == row.response


def test_a_large_vision_model_before_a_llama(tmp_path: Path) -> None:
    case = GOLDEN / "internvl2-llama"
    model = InternVL(load_checkpoint(str(written_by_transformers(case, tmp_path)), device="cpu"))
    for tiles, expected in GoldenCase(case).features():
        torch.testing.assert_close(model.encode(tiles), expected, atol=2e-5, rtol=0)


def test_the_newer_spelling_of_names_is_the_same_model(tmp_path: Path) -> None:
    case = GOLDEN / "internvl2_5-qwen2"
    directory = written_by_transformers(case, tmp_path)
    newer = {}
    for name, tensor in load_file(directory / "model.safetensors").items():
        if name.startswith("language_model.lm_head."):
            newer[name.removeprefix("language_model.")] = tensor
        elif name.startswith("language_model.model."):
            newer[name.replace("language_model.model.", "model.language_model.")] = tensor
        else:
            newer[f"model.{name}"] = tensor
    save_file(newer, directory / "model.safetensors")
    (row,) = GoldenCase(case).rows("single_image")
    model = InternVL(load_checkpoint(str(directory), device="cpu"))
    assert model.chat(row.tiles, row.question, GREEDY) == row.response


def test_without_a_head_in_the_file_embeddings_are_tied(tmp_path: Path) -> None:
    directory = written_by_transformers(GOLDEN / "internvl2_5-qwen2", tmp_path, tied=True)
    assert not any("lm_head" in name for name in load_file(directory / "model.safetensors"))
    network = load_checkpoint(str(directory), device="cpu").network
    assert network.language_model.lm_head.weight is network.embedding_weight


def test_a_head_that_the_config_asks_for_must_be_there(tmp_path: Path) -> None:
    directory = written_by_transformers(GOLDEN / "internvl2_5-qwen2", tmp_path, tied=True)
    config = json.loads((directory / "config.json").read_bytes())
    (directory / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    with pytest.raises(CheckpointError, match=r"missing: language_model\.lm_head\.weight"):
        load_checkpoint(str(directory), device="cpu")


@pytest.mark.parametrize(
    ("name", "content", "tiles"),
    [
        ("preprocessor_config.json", {"max_patches": 6}, 6),
        ("processor_config.json", {"image_processor": {"max_patches": 24}}, 24),
        ("processor_config.json", {"image_seq_length": 256}, 12),
    ],
)
def test_how_many_tiles_an_image_has_is_said_by_its_image_processor(
    tmp_path: Path, name: str, content: dict[str, object], tiles: int
) -> None:
    directory = written_by_transformers(GOLDEN / "internvl2_5-qwen2", tmp_path)
    (directory / name).write_text(json.dumps(content))
    assert read_config(directory).max_tiles == tiles
