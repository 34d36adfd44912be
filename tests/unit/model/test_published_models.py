"""Every model of the cards, at its real size and without memory: each tensor has one place, and each place a tensor."""

import json
from collections import Counter
from pathlib import Path

import pytest

from pipelines.model.config import read_config
from pipelines.model.keymap import key_maps
from pipelines.model.loading import empty_network
from pipelines.model.template import find_template

from .published import PUBLISHED, config_of, tensors_of


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_tensor_has_one_place_and_every_place_its_tensor(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config_of(name)))
    config = read_config(tmp_path)
    parameters = dict(empty_network(config).named_parameters())
    assert all(parameter.is_meta for parameter in parameters.values())
    shapes = {parameter: tuple(value.shape) for parameter, value in parameters.items()}
    maps = key_maps(config)
    assert {entry.original: entry.shape(shapes) for entry in maps} == tensors_of(name)
    assert len(maps) == len(tensors_of(name))
    assert Counter(held for entry in maps for held in entry.parameters) == Counter(parameters.keys())
    assert config.tokens_per_tile == 256
    assert find_template(config.template).stop in ("<|im_end|>", "<|end|>")
