"""A model whose layers are spread over devices says what it says on one, and nothing is computed on the wrong one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks._golden import GoldenCase
from pipelines.errors import CheckpointError, ModelError
from pipelines.model import devices
from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.device_map import DeviceMap
from pipelines.model.devices import choose_places
from pipelines.model.engine import SimpleEngine
from pipelines.model.footprint import CONTEXT_TOKENS, Footprint
from pipelines.model.load import load_backend, load_model

from .conftest import CASE, GOLDEN

pytestmark = pytest.mark.timeout(600)

RUNS = {
    "internvl2_5-qwen2": "1,2,1",  # neither the first layer nor the last beside embeddings and head
    "internvl2-phi3": "0,1,0",
    "internvl2_5-internlm2-ntk": "0,1,0",
}
GB = 10**9


@pytest.fixture(scope="module")
def passes() -> dict[str, Any]:
    """What `spread_pass` says of each case; "unconnected" is without what carries tensors between devices."""
    runs = [f"{GOLDEN / case}:{layers}" for case, layers in RUNS.items()]
    command = [sys.executable, str(Path(__file__).with_name("spread_pass.py")), *runs, f"{CASE}:0,1,0:unconnected"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return dict(zip([*RUNS, "unconnected"], map(json.loads, ran.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("case", RUNS)
def test_a_spread_model_says_what_was_recorded_and_never_mixes_devices(case: str, passes: dict[str, Any]) -> None:
    assert passes[case]["errors"] == []
    assert passes[case]["said"] == passes[case]["recorded"]


def test_without_its_connections_devices_would_be_mixed(passes: dict[str, Any]) -> None:
    """That the pretended devices tell is what makes the test above one."""
    assert len(passes["unconnected"]["errors"]) == 5
    assert "mixes privateuseone:0, privateuseone:1" in passes["unconnected"]["errors"][0]


def test_weights_go_straight_to_the_device_of_their_layer(passes: dict[str, Any]) -> None:
    for name, device in passes["internvl2_5-qwen2"]["held"].items():
        layer = re.match(r"language_model\.model\.layers\.(\d)", name)
        assert device == (0 if layer is None else [1, 2, 1][int(layer[1])])
    assert passes["internvl2-phi3"]["served_on"] == "privateuseone:0,privateuseone:1"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_and_cpu_hold_one_model_together() -> None:
    model = load_model(str(CASE), dtype="float32", device="cuda:0,cpu")
    assert model.sharded
    engine = SimpleEngine(model)
    rows = [GoldenCase(CASE).rows(name)[0] for name in ("text", "video", "multi_image_separate_round2")]
    futures = [engine.submit(row.request()) for row in rows]
    assert [future.result(60).token_ids for future in futures] == [row.generated_ids for row in rows]
    engine.close()


def test_the_continuous_engine_leaves_a_spread_model_to_the_simple_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(str(CASE), device="cpu")
    model.sharded = True
    with pytest.raises(ModelError, match="spread over several"):
        ContinuousEngine(model)
    monkeypatch.setattr("pipelines.model.load.load_model", lambda *_, **__: model)
    backend = load_backend(str(CASE), engine="continuous")
    assert isinstance(backend, SimpleEngine)
    backend.close()


def test_a_list_of_devices_is_a_placement_and_what_is_none_is_refused() -> None:
    footprint = Footprint(layers=4, layer_bytes=1, rest_bytes=1, kv_bytes_per_token=1)
    places = choose_places("cpu,meta", footprint)
    assert (str(places), places.sharded, places.layers) == ("cpu,meta", True, (0, 0, 1, 0))
    assert places.of_parameter("language_model.model.layers.2.mlp.up_proj.weight") == torch.device("meta")
    assert places.of_parameter("language_model.model.norm.weight") == torch.device("cpu")
    for name, complaint in (("cpu,cpu", "twice"), ("cpu,gpu", "no device"), ("cpu,cuda:7", "CUDA device")):
        with pytest.raises(CheckpointError, match=complaint):
            choose_places(name, footprint)


@pytest.mark.parametrize(("layer_gb", "expected"), [(2, "cuda:0"), (10, "cuda:0,cuda:1"), (16, "cuda:0,cuda:1,cuda:2")])
def test_auto_takes_as_few_gpus_as_hold_the_model(
    layer_gb: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend_gpus(monkeypatch, count=3)
    assert str(choose_places("auto", _footprint(layer_gb))) == expected


def test_auto_says_when_all_gpus_together_do_not_hold_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_gpus(monkeypatch, count=2)
    with pytest.raises(CheckpointError, match="more than the 2 GPUs here") as raised:
        choose_places("auto", _footprint(40))
    assert "int8" in raised.value.next_step


def test_a_placement_counts_the_cache_beside_the_weights() -> None:
    assert Footprint(4, GB, 0, 4 * GB // CONTEXT_TOKENS).needs(1)[0] == pytest.approx(8 * GB, rel=1e-3)
    assert DeviceMap.spread([torch.device("cpu")], 4).layers == (0, 0, 0, 0)


def _footprint(layer_gb: int) -> Footprint:
    return Footprint(layers=10, layer_bytes=layer_gb * GB, rest_bytes=GB, kv_bytes_per_token=0)


def _pretend_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(devices.torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(devices.torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80 * GB))
