"""A worker loads the model as its settings say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipelines.errors import ContextExceededError
from pipelines.model.types import ChatRequest
from reelmill.schema.tasks import Generation
from reelmill.settings import Settings
from worker.backends import load_backend
from worker.errors import WorkerConfigError

CASE = Path(__file__).parents[2] / "golden" / "internvl2_5-qwen2"
REQUEST = ChatRequest("Hello, who are you?", generation=Generation(max_new_tokens=2))


@pytest.fixture
def short(tmp_path: Path) -> str:
    """A checkpoint whose window is too small for the shortest prompt."""
    directory = shutil.copytree(CASE, tmp_path / "short", ignore=shutil.ignore_patterns("golden*"))
    config = json.loads((directory / "config.json").read_bytes())
    config["llm_config"]["max_position_embeddings"] = 20
    (directory / "config.json").write_text(json.dumps(config))
    return str(directory)


@pytest.mark.parametrize("engine", ["simple", "continuous"])
def test_a_prompt_past_the_window_fails_unless_it_is_allowed(short: str, engine: str) -> None:
    settings = {"model": short, "device": "cpu", "dtype": "float32", "engine": engine}
    refusing = load_backend(Settings.model_validate(settings))
    with pytest.raises(ContextExceededError):
        refusing.submit(REQUEST).result(60)
    allowing = load_backend(Settings.model_validate(settings | {"past_window": True}))
    assert len(allowing.submit(REQUEST).result(60).token_ids) > 0
    for backend in (refusing, allowing):
        backend.close()


def test_8_bit_weights_are_part_of_what_it_serves() -> None:
    backend = load_backend(Settings(model=str(CASE), device="cpu", dtype="float32", quantization="int8"))
    assert backend.info.precision == "float32 int8"
    backend.close()


def test_without_a_model_the_error_names_the_setting() -> None:
    with pytest.raises(WorkerConfigError, match="no model") as raised:
        load_backend(Settings(device="cpu"))
    assert "REELMILL_MODEL" in raised.value.next_step
