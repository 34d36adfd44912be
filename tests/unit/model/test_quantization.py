"""8-bit weights answer nearly as others do, in the memory that was foretold; where they cannot, the error says so."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipelines.errors import CheckpointError
from pipelines.model import loading, quantization
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.internvl import InternVL
from pipelines.model.load import load_backend, load_model
from pipelines.model.quantization import linear_layers
from pipelines.model.requirements import examine
from pipelines.model.types import ChatRequest, VisualInput
from reelmill.schema.tasks import Generation

from .conftest import CASE, GOLDEN, Golden

SHAPES = Path(__file__).parents[3] / "demo" / "model"


@pytest.fixture(scope="module")
def shapes() -> InternVL:
    return load_model(str(SHAPES), dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def shapes8() -> InternVL:
    return load_model(str(SHAPES), dtype="float32", device="cpu", quantization="int8")


def scene(seed: int, size: int) -> VisualInput:
    """A coloured rectangle somewhere on white."""
    chance = np.random.default_rng(seed)
    tile = np.full((1, size, size, 3), 255, np.uint8)
    left, top = chance.integers(0, size // 2, 2)
    tile[0, top : top + size // 3, left : left + size // 3] = chance.permutation([220, 20, 20])
    return VisualInput(tile, (1,), (f"scene {seed}",))


def test_every_linear_layer_but_the_head_is_8_bit(shapes: InternVL, shapes8: InternVL) -> None:
    names = set(linear_layers(shapes.network))
    small = {
        name.removesuffix(".weight") for name, value in shapes8.network.named_parameters() if value.dtype.itemsize == 1
    }
    assert small == names
    assert shapes8.network.language_model.lm_head.weight.dtype == torch.float32
    for part in ("self_attn.q_proj", "mlp.down_proj", "vision_tower.encoder.layer.0.mlp.fc1", "multi_modal_projector"):
        assert any(part in name for name in names)


def test_8_bit_weights_answer_as_the_others_do(shapes: InternVL, shapes8: InternVL) -> None:
    settings = {"max_new_tokens": 24}
    scenes = [scene(seed, shapes.info.tile_size).tiles for seed in range(12)]
    question = "What is in this picture?"
    same = [shapes.chat(tiles, question, settings) == shapes8.chat(tiles, question, settings) for tiles in scenes]
    assert sum(same) >= 10
    tiles = np.concatenate(scenes)
    expected, found = (model.encode(tiles).flatten(1) for model in (shapes, shapes8))
    assert torch.cosine_similarity(expected, found).min() > 0.99


def test_the_memory_is_what_was_foretold(shapes8: InternVL) -> None:
    def held(model: InternVL) -> int:
        scales = [module.state.SCB for module in model.network.modules() if hasattr(module, "state")]
        return sum(value.nbytes for value in (*model.network.parameters(), *scales))

    needs = examine(str(SHAPES), dtype="float32", device="cpu", quantization="int8")
    assert held(shapes8) == needs.weight_bytes == needs.int8_bytes
    plain = examine(str(SHAPES), dtype="float32", device="cpu")
    assert plain.int8_bytes == needs.weight_bytes < 0.4 * plain.weight_bytes


def test_tensors_are_quantised_one_by_one_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never twice in memory: when a tensor is read, the ones before it are 8-bit already."""
    layers: list[Any] = []
    behind: list[int] = []
    real_init, real_read = quantization.EightBitLayers.__init__, loading.read_tensors

    def note(self: Any, network: Any) -> None:
        real_init(self, network)
        layers.extend(self._layers.values())

    def read(*arguments: Any) -> Any:
        for name, tensor in real_read(*arguments):
            behind.append(sum(layer.weight.device.type == "cpu" for layer in layers))
            yield name, tensor

    monkeypatch.setattr(quantization.EightBitLayers, "__init__", note)
    monkeypatch.setattr(loading, "read_tensors", read)
    load_checkpoint(str(CASE), device="cpu", quantization="int8")
    assert behind[0] == 0
    assert len(set(behind)) > len(layers) / 3
    assert all(later - earlier <= 3 for earlier, later in pairwise(behind))


@pytest.mark.parametrize("name", ["internvl2-phi3", "internvl2-llama", "internvl2_5-internlm2-ntk"])
def test_every_family_loads_in_8_bit(name: str) -> None:
    model = load_model(str(GOLDEN / name), device="cpu", quantization="int8")
    assert model.chat(None, "Hello", {"max_new_tokens": 4}) is not None
    assert all(value.device.type == "cpu" for value in model.network.parameters())


def test_both_engines_serve_it_and_share_its_weights(shapes8: InternVL) -> None:
    request = ChatRequest(
        "<image>\nWhat is in this picture?", scene(1, shapes8.info.tile_size), generation=Generation(max_new_tokens=16)
    )
    expected = shapes8.chat(request.visual.tiles, request.question, {"max_new_tokens": 16})  # type: ignore[union-attr]
    engine = ContinuousEngine(shapes8)
    assert engine.submit(request).result(60).text == expected
    own = engine._flight._language_model.model.layers[0].mlp.up_proj
    theirs = shapes8.network.language_model.model.layers[0].mlp.up_proj
    assert own is not theirs
    assert own.weight.data_ptr() == own.state.CB.data_ptr() == theirs.state.CB.data_ptr()
    engine.close()


def test_the_precision_is_part_of_what_is_served(golden: Golden) -> None:
    backend = load_backend(str(CASE), dtype="float32", device="cpu", quantization="int8")
    assert (backend.info.dtype, backend.info.quantization, backend.info.precision) == (
        "float32",
        "int8",
        "float32 int8",
    )
    assert len(backend.submit(golden.request("text")).result(60).token_ids) > 0
    backend.close()


def test_without_bitsandbytes_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda _: None)
    with pytest.raises(CheckpointError, match="needs bitsandbytes") as raised:
        load_model(str(CASE), quantization="int8")
    assert "reelmill[int8]" in raised.value.next_step
