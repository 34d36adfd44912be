"""What a checkpoint needs is known from its headers: bytes, cache, GPUs and the place of each layer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipelines.errors import CheckpointError
from pipelines.model import loading, trial
from pipelines.model.config import read_config
from pipelines.model.footprint import footprint_of
from pipelines.model.loading import empty_network
from pipelines.model.placement import layer_places
from pipelines.model.quantization import Quantization
from pipelines.model.requirements import examine, fits
from pipelines.model.trial import try_out

from .conftest import CASE, GOLDEN
from .published import config_of

SPLITS = json.loads((GOLDEN / "media" / "golden_split_model.json").read_bytes())


@pytest.mark.parametrize("name", SPLITS["cards"])
def test_layers_lie_where_the_cards_put_them(name: str) -> None:
    card = SPLITS["cards"][name]
    for gpus, recorded in card["world_size"].items():
        if "error" not in recorded:
            assert list(layer_places(card["num_layers"], int(gpus))) == recorded["layer_devices"][: card["num_layers"]]


def test_a_checkpoint_is_described_without_reading_a_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "read_tensors", lambda *_: pytest.fail("weights were read"))
    needs = examine(str(CASE), device="cpu")
    assert (needs.family, needs.template, needs.layout, needs.tokens_per_tile) == (
        "qwen2",
        "internvl2_5",
        "original",
        16,
    )
    assert (needs.dtype, needs.stored_dtypes) == ("float32", ("F32",))
    assert needs.weight_bytes == 4 * needs.parameters
    assert needs.weight_bytes == pytest.approx((CASE / "model.safetensors").stat().st_size, rel=0.02)
    assert needs.kv_bytes_per_token == 2 * 3 * 2 * 16 * 4
    assert all(fit.gpus == 1 for fit in needs.fits)


@pytest.mark.parametrize(
    ("name", "quantization", "gpus"),
    [
        ("InternVL3-1B", "none", [1, 1, 1, 1]),
        ("InternVL2_5-8B", "none", [1, 1, 1, 1]),
        ("InternVL2_5-26B", "none", [4, 2, 1, 1]),
        ("InternVL2_5-26B", "int8", [2, 1, 1, 1]),
        ("InternVL3-78B", "none", [None, 4, 3, 2]),
        ("InternVL3-78B", "int8", [5, 3, 2, 1]),
    ],
)
def test_published_models_need_so_many_gpus(
    name: str, quantization: Quantization, gpus: list[int | None], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config_of(name)))
    config = read_config(tmp_path)
    footprint = footprint_of(empty_network(config), config.text, torch.bfloat16, quantization)
    assert [fit.gpus for fit in fits(footprint)] == gpus


def test_what_loading_refuses_is_refused(copy_checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match="instead of"):
        examine(str(copy_checkpoint(llm_config={"intermediate_size": 128})), device="cpu")


def test_a_trial_answers_the_built_in_picture() -> None:
    outcome = try_out(examine(str(CASE), device="cpu"), revision=None, dtype="auto", device="cpu")
    assert outcome.skipped is None
    assert outcome.completion is not None
    assert len(outcome.completion.token_ids) > 0


def test_a_checkpoint_larger_than_the_free_memory_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "free_bytes", lambda _: 2**20)
    monkeypatch.setattr(loading, "read_tensors", lambda *_: pytest.fail("weights were read"))
    outcome = try_out(examine(str(CASE), device="cpu"), revision=None, dtype="auto", device="cpu")
    assert outcome.completion is None
    assert outcome.skipped is not None
    assert "are free on cpu" in outcome.skipped
