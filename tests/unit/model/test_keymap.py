"""Checkpoint tensors and parameters: one place for each, both ways."""

from collections import Counter
from dataclasses import replace

import torch
from accelerate import init_empty_weights
from safetensors.torch import load_file

from pipelines.model.config import CheckpointConfig, read_config
from pipelines.model.internvl import InternVL
from pipelines.model.keymap import key_maps
from pipelines.model.network import Network

from .conftest import CASE


def parameters(config: CheckpointConfig) -> dict[str, torch.nn.Parameter]:
    with init_empty_weights():
        network = Network(config, "sdpa")
    network.language_model.tie_weights()  # without memory, tied parameters start as two
    return dict(network.named_parameters())


def test_every_tensor_of_the_checkpoint_has_its_place_and_shape() -> None:
    config, tensors = read_config(CASE), load_file(CASE / "model.safetensors")
    shapes = {name: value.shape for name, value in parameters(config).items()}
    assert {entry.original: entry.shape(shapes) for entry in key_maps(config)} == {
        name: tuple(tensor.shape) for name, tensor in tensors.items()
    }


def test_each_parameter_is_filled_exactly_once_in_every_shape_of_vision_and_text() -> None:
    config = read_config(CASE)
    large_vision = replace(config.vision, norm="rms_norm", qkv_bias=False, qk_norm=True)
    for variant in (
        config,
        replace(config, vision=large_vision),
        replace(config, text=replace(config.text, tied_embeddings=True)),
    ):
        filled = Counter(name for entry in key_maps(variant) for name in entry.parameters)
        assert filled == Counter(parameters(variant).keys())


def test_joining_the_loaded_parameters_gives_the_checkpoint_back(model: InternVL) -> None:
    tensors = load_file(CASE / "model.safetensors")
    loaded = dict(model.network.named_parameters())
    for entry in key_maps(model.config):
        assert torch.equal(entry.join(loaded), tensors[entry.original]), entry.original
