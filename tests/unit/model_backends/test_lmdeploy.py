"""LMDeploy's pipeline behind our interface, at its boundary: the stand-in has its names, arguments and responses."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.cancellation import Cancellation
from pipelines.errors import (
    CancelledError,
    CheckpointError,
    ContextExceededError,
    ModelServerError,
    PipelineError,
    PromptError,
)
from pipelines.media.tiling import plan_tiles, tile_picture
from pipelines.media.types import TilingSpec
from pipelines.model.backends.lmdeploy_pipeline import LMDeployBackend, LMDeployOptions
from pipelines.model.engine import SimpleEngine
from pipelines.model.types import ChatRequest, VisualInput
from reelmill.schema import Generation
from tests.lmdeploy_stand_in import Pipeline, Response, as_module
from tests.workers import SHAPES_MODEL

LONG_S = 60


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[LMDeployBackend]:
    monkeypatch.setitem(sys.modules, "lmdeploy", as_module())
    loaded = LMDeployBackend.load(str(SHAPES_MODEL), LMDeployOptions(concurrency=4))
    yield loaded
    loaded.close()


def pipeline_of(backend: LMDeployBackend) -> Any:
    pipeline = backend._pipeline
    assert isinstance(pipeline, Pipeline)
    return pipeline


def pictures(*sizes: tuple[int, int]) -> VisualInput:
    spec, chance = TilingSpec(tile_size=112, max_tiles=4), np.random.default_rng(3)
    sources = [chance.integers(0, 256, (height, width, 3), np.uint8) for width, height in sizes]
    parts = [tile_picture(source, spec, 4) for source in sources]
    return VisualInput(
        np.concatenate(parts),
        tuple(len(part) for part in parts),
        tuple(f"picture {n}" for n in range(len(parts))),
        tuple(plan_tiles(width, height, spec, 4).grid for width, height in sizes),
    )


def test_answers_are_those_of_the_embedded_engine(backend: LMDeployBackend) -> None:
    asked = [
        ChatRequest("How are you?"),
        ChatRequest("<image>\nHow many shapes are there?", pictures((100, 100))),
        ChatRequest("Image-1: <image>\nImage-2: <image>\nSame?", pictures((112, 112), (90, 80))),
        ChatRequest("And now?", pictures((100, 100)), (("<image>\nHow many shapes are there?", "2"),)),
    ]
    short = Generation(max_new_tokens=12)
    engine = SimpleEngine(pipeline_of(backend).model)
    try:
        for request in (replace(request, generation=short) for request in asked):
            said, ours = backend.submit(request).result(LONG_S), engine.submit(request).result(LONG_S)
            assert (said.text, said.finish_reason) == (ours.text, "stop")
            assert said.output_tokens == len(said.token_ids)
    finally:
        engine.close()
    assert all(session.closed for session in pipeline_of(backend).sessions)


def test_settings_go_along_and_the_checkpoint_is_described(backend: LMDeployBackend) -> None:
    sampled = Generation(max_new_tokens=3, do_sample=True, temperature=0.4, top_p=0.6, top_k=7, seed=11)
    for generation in (Generation(max_new_tokens=2), sampled):
        backend.submit(ChatRequest("?", generation=generation)).result(LONG_S)
    greedy, drawn = pipeline_of(backend).configs
    assert (greedy.max_new_tokens, greedy.do_sample, greedy.skip_special_tokens) == (2, False, False)
    assert (drawn.do_sample, drawn.temperature, drawn.top_p, drawn.top_k, drawn.random_seed) == (True, 0.4, 0.6, 7, 11)
    info = backend.info
    assert (info.backend, info.family, info.template, info.tile_size) == ("lmdeploy", "qwen2", "internvl2_5", 112)


def test_an_answer_is_heard_and_its_session_aborted_at_a_stop(backend: LMDeployBackend) -> None:
    short, pieces = Generation(max_new_tokens=12), []
    request = ChatRequest("<image>\nDescribe it.", pictures((100, 100)), generation=short, on_text=pieces.append)
    whole = backend.submit(request).result(LONG_S)
    assert "".join(pieces) == whole.text
    assert len(pieces) > 1
    stop = whole.text[3:6]
    pieces.clear()
    said = backend.submit(replace(request, generation=Generation(max_new_tokens=12, stop=(stop,)))).result(LONG_S)
    assert (said.text, said.finish_reason) == (whole.text.split(stop)[0].strip(), "stop")
    assert "".join(pieces) == said.text
    assert said.token_ids == whole.token_ids[: len(said.token_ids)] != whole.token_ids
    assert [session.aborted for session in pipeline_of(backend).sessions] == [False, True]
    pipeline_of(backend).endless = True
    endless = replace(request, generation=Generation(stop=("xxxx",)))
    assert backend.submit(endless).result(LONG_S).finish_reason == "stop"


def test_a_cancelled_request_is_aborted_between_two_tokens(backend: LMDeployBackend) -> None:
    pipeline, cancellation = pipeline_of(backend), Cancellation()
    pipeline.endless = True
    future = backend.submit(ChatRequest("?", cancellation=cancellation))
    cancellation.cancel()
    assert isinstance(future.exception(LONG_S), CancelledError)
    backend.close()
    assert pipeline.closed
    assert all(session.closed for session in pipeline.sessions)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("context_length_exceeded", ContextExceededError),
        ("invalid_request", PromptError),
        ("engine_unavailable", ModelServerError),
        ("internal_error", ModelServerError),
    ],
)
def test_its_error_responses_are_typed(backend: LMDeployBackend, code: str, expected: type[PipelineError]) -> None:
    pipeline_of(backend).fault = Response("", 0, 9, "error", [], error_code=code, error_message="It says why.")
    error = backend.submit(ChatRequest("?")).exception(LONG_S)
    assert type(error) is expected
    assert "It says why." in str(error)


def test_an_awq_checkpoint_is_welcome_and_described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "lmdeploy", as_module())
    config = json.loads((SHAPES_MODEL / "config.json").read_bytes())
    config["llm_config"]["quantization_config"] = {"quant_method": "awq", "bits": 4}
    shutil.copytree(SHAPES_MODEL, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").write_text(json.dumps(config))
    backend = LMDeployBackend.load(str(tmp_path), LMDeployOptions(dtype="float16", tp=2, trust_remote_code=True))
    pipeline = pipeline_of(backend)
    assert (backend.info.dtype, pipeline.backend_config.tp, pipeline.trust_remote_code) == ("awq", 2, True)
    backend.close()


def test_what_cannot_be_loaded_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "lmdeploy", as_module())
    with pytest.raises(CheckpointError, match="no dtype float32"):
        LMDeployBackend.load(str(SHAPES_MODEL), LMDeployOptions(dtype="float32"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        LMDeployBackend.load(str(tmp_path), LMDeployOptions())


def test_many_threads_get_their_own_answers(backend: LMDeployBackend) -> None:
    questions = [f"Is it {number}?" for number in range(6)]
    alone = {q: pipeline_of(backend).model.chat(None, q, {"max_new_tokens": 6}) for q in questions}
    lock, found = threading.Lock(), {}
    model = pipeline_of(backend).model
    chat = model.chat

    def one_at_a_time(*args: Any, **options: Any) -> Any:
        with lock:
            return chat(*args, **options)

    model.chat = one_at_a_time  # type: ignore[method-assign]

    def ask(question: str) -> None:
        request = ChatRequest(question, generation=Generation(max_new_tokens=6))
        found[question] = backend.submit(request).result(LONG_S).text

    threads = [threading.Thread(target=ask, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert found == alone
