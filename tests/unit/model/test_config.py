"""What is read of config.json, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import CheckpointError
from pipelines.model.config import read_config

from .conftest import CASE

Copy = Callable[..., Path]


def test_sizes_template_and_tiling_come_from_the_config() -> None:
    config = read_config(CASE)
    assert (config.template, config.tile_size, config.max_tiles, config.use_thumbnail) == ("internvl2_5", 112, 6, True)
    assert config.tokens_per_tile == 16
    assert (config.text.family, config.text.heads, config.text.kv_heads) == ("qwen2", 6, 2)
    assert config.text.context_tokens == 32768
    assert config.text.sliding_window is None
    assert not config.text.tied_embeddings


def test_without_force_image_size_the_vision_models_own_is_used(copy_checkpoint: Copy) -> None:
    assert read_config(copy_checkpoint(force_image_size=None)).tile_size == 112


def test_without_dynamic_image_size_an_image_is_one_tile(copy_checkpoint: Copy) -> None:
    assert read_config(copy_checkpoint(dynamic_image_size=False)).max_tiles == 1


def test_a_system_message_of_the_config_wins_and_null_means_none(copy_checkpoint: Copy) -> None:
    directory = copy_checkpoint(system_message="You see.")
    assert read_config(directory).system_message == "You see."
    config = json.loads((directory / "config.json").read_bytes())
    (directory / "config.json").write_text(json.dumps(config | {"system_message": None}))
    assert read_config(directory).system_message is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model_type": "llava"}, "model_type"),
        ({"llm_config": {"model_type": "mamba"}}, "llm_config.model_type"),
        ({"vision_config": None}, "has no `vision_config`"),
        ({"template": None}, "has no `template`"),
        ({"llm_config": {"hidden_size": "wide"}}, "llm_config.hidden_size"),
        ({"llm_config": {"num_hidden_layers": True}}, "llm_config.num_hidden_layers"),
        ({"select_layer": -4}, "select_layer"),
        ({"ps_version": "v1"}, "ps_version"),
        ({"downsample_ratio": 1}, "downsample_ratio"),
        ({"force_image_size": 100}, "force_image_size"),
    ],
)
def test_an_impossible_config_is_refused_by_the_name_of_its_key(
    copy_checkpoint: Copy, changes: dict[str, Any], complaint: str
) -> None:
    directory = copy_checkpoint(**changes)
    with pytest.raises(CheckpointError, match=complaint) as raised:
        read_config(directory)
    assert str(directory / "config.json") in str(raised.value)


@pytest.mark.parametrize("content", ["{", "[]", "\udcff"])
def test_a_config_that_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        read_config(tmp_path)


def test_a_directory_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        read_config(tmp_path)
