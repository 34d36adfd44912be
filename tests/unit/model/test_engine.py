"""The engine's contract: batched equals single, one encoding per picture, and nobody pays for a neighbour."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipelines.cancellation import Cancellation
from pipelines.errors import CancelledError, ContextExceededError, ModelError, ModelOutOfMemoryError, PromptError
from pipelines.model import engine as engine_module
from pipelines.model import run as run_module
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.engine import SimpleEngine
from pipelines.model.internvl import InternVL
from pipelines.model.load import load_backend
from pipelines.model.types import ChatRequest, Completion, VisualInput
from reelmill.schema.tasks import Generation

from .conftest import CASE, NEW_TOKENS, Golden

PATIENCE_S = 30
FOREVER = Generation(max_new_tokens=4000)


@pytest.fixture
def engine(model: InternVL) -> Iterator[SimpleEngine]:
    started = SimpleEngine(model, max_batch_size=8)
    yield started
    started.close()


class Gate:
    """Holds the engine's first batch back until it is opened, and notes what runs together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        self._reached = threading.Event()
        self.batch_sizes: list[int] = []
        real = engine_module.run_batch

        def held(model: InternVL, cache: Any, tickets: Sequence[Any], ended: Any) -> Any:
            self._reached.set()
            assert self._open.wait(PATIENCE_S)
            self.batch_sizes.append(len(tickets))
            return real(model, cache, tickets, ended)

        monkeypatch.setattr(engine_module, "run_batch", held)

    def occupy(self, engine: SimpleEngine) -> Future[Completion]:
        """Keep the engine busy, so that what is submitted until `open` waits together."""
        future = engine.submit(text("Hello", generation=Generation(max_new_tokens=1)))
        assert self._reached.wait(PATIENCE_S)
        return future

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


class CancelsAtLook(Cancellation):
    """Cancelled from its n-th look on, whoever looks."""

    def __init__(self, look: int) -> None:
        super().__init__()
        self._look = look
        self.looks = 0

    @property
    def requested(self) -> bool:
        self.looks += 1
        if self.looks >= self._look:
            self.cancel()
        return super().requested


def text(question: str, **options: Any) -> ChatRequest:
    return ChatRequest(question, **{"generation": Generation(max_new_tokens=NEW_TOKENS), **options})


def answers(futures: Sequence[Future[Completion]]) -> list[Completion]:
    return [future.result(PATIENCE_S) for future in futures]


def count_encoded(model: InternVL, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counts: list[int] = []
    real = model.encode
    monkeypatch.setattr(model, "encode", lambda tiles: counts.append(len(tiles)) or real(tiles))
    return counts


class TestBatchedEqualsSingle:
    @pytest.mark.parametrize("seed", [1, 2])
    def test_all_together_in_any_order_and_with_any_neighbour_they_give_the_same(
        self, engine: SimpleEngine, golden: Golden, gate: Gate, seed: int
    ) -> None:
        chance = random.Random(seed)
        names = golden.single * 2
        chance.shuffle(names)
        lengths = [chance.choice([1, 5, 12, NEW_TOKENS]) for _ in names]
        futures = [
            engine.submit(golden.request(name, generation=Generation(max_new_tokens=length)))
            for name, length in zip(names, lengths, strict=True)
        ]
        gate.open()
        for name, length, said in zip(names, lengths, answers(futures), strict=True):
            assert said.token_ids == golden.ids(name)[:length], name
        assert max(gate.batch_sizes) == 8

    def test_a_beam_search_is_answered_too(self, engine: SimpleEngine, golden: Golden) -> None:
        request = golden.request("single_image_round1", generation=Generation(max_new_tokens=4, num_beams=3))
        assert len(answers([engine.submit(request)])[0].token_ids) == 4


class TestOneEncodingPerPicture:
    def test_questions_in_flight_on_one_picture_encode_it_once(
        self, engine: SimpleEngine, model: InternVL, golden: Golden, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encoded = count_encoded(model, monkeypatch)
        gate.occupy(engine)
        questions = [f"<image>\nWhat is {number}?" for number in range(4)]
        futures = [engine.submit(golden.request("single_image_other", question=question)) for question in questions]
        gate.open()
        answers(futures)
        assert encoded == [3]
        assert gate.batch_sizes == [1, 4]

    def test_a_later_question_finds_the_features_in_the_cache(
        self, engine: SimpleEngine, model: InternVL, golden: Golden, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encoded = count_encoded(model, monkeypatch)
        for _ in range(2):
            said = answers([engine.submit(golden.request("single_image_other"))])[0]
            assert said.token_ids == golden.ids("single_image_other")
        assert encoded == [3]

    def test_without_room_in_the_cache_answers_are_still_right(
        self, model: InternVL, golden: Golden, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encoded = count_encoded(model, monkeypatch)
        cramped = SimpleEngine(model, feature_cache_bytes=0)
        for _ in range(2):
            said = answers([cramped.submit(golden.request("single_image_other"))])[0]
            assert said.token_ids == golden.ids("single_image_other")
        cramped.close()
        assert encoded == [3, 3]


class TestCancellation:
    def test_it_takes_effect_between_tokens_and_spares_the_neighbour(
        self, engine: SimpleEngine, golden: Golden, gate: Gate
    ) -> None:
        gate.occupy(engine)
        flag = CancelsAtLook(10)
        endless = engine.submit(golden.request("text", generation=FOREVER, cancellation=flag))
        neighbour = engine.submit(golden.request("text_round2"))
        gate.open()
        with pytest.raises(CancelledError):
            endless.result(PATIENCE_S)
        assert neighbour.result(PATIENCE_S).token_ids == golden.ids("text_round2")
        assert flag.looks < 100
        assert gate.batch_sizes == [1, 2]

    def test_a_cancelled_request_ends_at_once_not_with_its_batch(
        self, engine: SimpleEngine, golden: Golden, gate: Gate
    ) -> None:
        gate.occupy(engine)
        flag, rest = CancelsAtLook(10), Cancellation()
        batch = [
            engine.submit(golden.request("text", generation=FOREVER, cancellation=cancellation))
            for cancellation in (flag, rest)
        ]
        gate.open()
        with pytest.raises(CancelledError):
            batch[0].result(PATIENCE_S)
        assert not batch[1].done()
        rest.cancel()
        with pytest.raises(CancelledError):
            batch[1].result(PATIENCE_S)
        assert gate.batch_sizes == [1, 2]

    def test_a_queued_request_ends_while_another_runs(self, engine: SimpleEngine, golden: Golden) -> None:
        running, queued = Cancellation(), Cancellation()
        sampled = FOREVER.model_copy(update={"do_sample": True})
        first = engine.submit(golden.request("text", generation=sampled, cancellation=running))
        second = engine.submit(golden.request("text", cancellation=queued))
        queued.cancel()
        with pytest.raises(CancelledError):
            second.result(PATIENCE_S)
        assert not first.done()
        running.cancel()
        with pytest.raises(CancelledError):
            first.result(PATIENCE_S)

    def test_a_running_future_can_no_longer_be_cancelled_by_its_owner(self, engine: SimpleEngine, gate: Gate) -> None:
        running = gate.occupy(engine)
        assert not running.cancel()
        gate.open()
        assert running.result(PATIENCE_S)

    def test_a_future_cancelled_by_its_owner_does_not_stop_the_engine(
        self, engine: SimpleEngine, golden: Golden, gate: Gate
    ) -> None:
        first = gate.occupy(engine)
        dropped = engine.submit(golden.request("text"))
        assert dropped.cancel()
        gate.open()
        first.result(PATIENCE_S)
        assert answers([engine.submit(golden.request("text"))])[0].token_ids == golden.ids("text")


class TestFailures:
    def fail_on(self, monkeypatch: pytest.MonkeyPatch, when: Callable[[int, int], bool], error: Exception) -> list[int]:
        """`generate` raises when `when(batch size, longest prompt)`; the sizes it was called with are noted."""
        sizes: list[int] = []
        real = run_module.generate

        def failing(language_model: Any, prompts: Any, *rest: Any) -> Any:
            sizes.append(len(prompts.rows))
            if when(len(prompts.rows), max(len(row) for row in prompts.rows)):
                raise error
            return real(language_model, prompts, *rest)

        monkeypatch.setattr(run_module, "generate", failing)
        return sizes

    def test_a_failed_request_does_not_hurt_its_neighbours(
        self, engine: SimpleEngine, golden: Golden, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        longest = golden.conversation("single_image_round2")["prompt_length"]
        self.fail_on(monkeypatch, lambda _, tokens: tokens == longest, ValueError("bad kernel"))
        gate.occupy(engine)
        names = ["text_round2", "single_image_round2", "multi_image_combined", "single_image_round1"]
        futures = {name: engine.submit(golden.request(name)) for name in names}
        gate.open()
        with pytest.raises(ModelError, match="ValueError: bad kernel"):
            futures.pop("single_image_round2").result(PATIENCE_S)
        for name, future in futures.items():
            assert future.result(PATIENCE_S).token_ids == golden.ids(name), name
        assert answers([engine.submit(golden.request("text"))])[0].token_ids == golden.ids("text")

    def test_out_of_memory_halves_the_batch_until_it_fits(
        self, engine: SimpleEngine, golden: Golden, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        full = torch.OutOfMemoryError("CUDA out of memory")
        sizes = self.fail_on(monkeypatch, lambda rows, _: rows > 2, full)
        gate.occupy(engine)
        futures = [engine.submit(golden.request("text")) for _ in range(8)]
        gate.open()
        assert {said.token_ids for said in answers(futures)} == {golden.ids("text")}
        assert sizes == [1, 8, 4, 2, 2, 4, 2, 2]

    def test_out_of_memory_gives_the_room_of_cached_features_back(
        self, engine: SimpleEngine, model: InternVL, golden: Golden, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.fail_on(monkeypatch, lambda rows, _: rows > 1, MemoryError())
        encoded = count_encoded(model, monkeypatch)
        gate.occupy(engine)
        futures = [engine.submit(golden.request("single_image_other")) for _ in range(2)]
        gate.open()
        answers(futures)
        assert encoded == [3, 3]

    @pytest.mark.parametrize(
        "full",
        [
            torch.OutOfMemoryError("CUDA out of memory"),
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        ],
    )
    def test_a_request_that_does_not_fit_alone_fails_alone(
        self, engine: SimpleEngine, golden: Golden, gate: Gate, monkeypatch: pytest.MonkeyPatch, full: Exception
    ) -> None:
        self.fail_on(monkeypatch, lambda _, tokens: tokens > 200, full)
        gate.occupy(engine)
        large = engine.submit(golden.request("multi_image_combined_round2"))
        small = engine.submit(golden.request("single_image_other"))
        gate.open()
        with pytest.raises(ModelOutOfMemoryError):
            large.result(PATIENCE_S)
        assert small.result(PATIENCE_S).token_ids == golden.ids("single_image_other")


class TestRefusedAtSubmit:
    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"question": "no picture named"}, "0 <image> in the user's turns for 1 pictures"),
            ({"question": "<image> <image>"}, "2 <image> in the user's turns for 1 pictures"),
            ({"question": "<image> <IMG_CONTEXT>"}, "<IMG_CONTEXT>"),
            ({"question": "  ", "visual": None}, "empty"),
            ({"visual": None}, "1 <image> in the user's turns for 0 pictures"),
            ({"visual": VisualInput(np.zeros((1, 56, 56, 3), np.uint8), (1,), ("a",))}, "tiles are"),
            ({"visual": VisualInput(np.zeros((1, 112, 112, 3), np.float32), (1,), ("a",))}, "float32"),  # type: ignore[arg-type]
            ({"visual": VisualInput(np.zeros((2, 112, 112, 3), np.uint8), (1,), ("a",))}, "does not add up to 2"),
            ({"visual": VisualInput(np.zeros((1, 112, 112, 3), np.uint8), (1,), ())}, "0 content keys for 1"),
        ],
    )
    def test_what_does_not_fit_together_is_a_prompt_error(
        self, engine: SimpleEngine, golden: Golden, changes: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(PromptError, match=complaint):
            engine.submit(golden.request("single_image", **changes)).result(0)

    def test_a_prompt_past_the_window_is_refused_with_the_numbers(self, copy_checkpoint: Callable[..., Path]) -> None:
        backend = load_backend(str(copy_checkpoint(llm_config={"max_position_embeddings": 82})), device="cpu")
        with pytest.raises(ContextExceededError, match=r"82 tokens and an answer of up to 24 .* window of 82"):
            backend.submit(text("Hello, who are you?")).result(0)
        backend.close()

    def test_an_answer_is_cut_to_what_the_window_leaves(
        self, copy_checkpoint: Callable[..., Path], golden: Golden
    ) -> None:
        backend = load_backend(str(copy_checkpoint(llm_config={"max_position_embeddings": 90})), device="cpu")
        said = backend.submit(golden.request("text")).result(PATIENCE_S)
        backend.close()
        assert said.token_ids == golden.ids("text")[:8]
        assert said.finish_reason == "length"


class TestClosing:
    def test_what_runs_and_what_waits_fails_with_cancelled_error(self, model: InternVL, golden: Golden) -> None:
        engine = SimpleEngine(model, max_batch_size=1)
        futures = [engine.submit(golden.request("text", generation=FOREVER)) for _ in range(3)]
        engine.close()
        for future in futures:
            with pytest.raises(CancelledError):
                future.result(0)

    def test_closing_ends_the_thread_that_the_first_request_started(self, model: InternVL, golden: Golden) -> None:
        def engines() -> list[threading.Thread]:
            return [thread for thread in threading.enumerate() if thread.name == "reelmill-engine"]

        engine = SimpleEngine(model)
        before = len(engines())
        engine.submit(golden.request("text")).result(PATIENCE_S)
        assert len(engines()) == before + 1
        engine.close()
        assert len(engines()) == before


def test_what_is_submitted_at_one_time_starts_together(
    model: InternVL, golden: Golden, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_LULL_S", PATIENCE_S)
    monkeypatch.setattr(engine_module, "_GATHERING_S", PATIENCE_S)
    gate.open()
    engine = SimpleEngine(model, max_batch_size=5)
    said = answers([engine.submit(golden.request("text")) for _ in range(5)])
    assert {one.token_ids for one in said} == {golden.ids("text")}
    assert gate.batch_sizes == [5]
    engine.close()


def test_closing_does_not_wait_for_company(model: InternVL, golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_LULL_S", 1000 * PATIENCE_S)
    monkeypatch.setattr(engine_module, "_GATHERING_S", 1000 * PATIENCE_S)
    engine = SimpleEngine(model, max_batch_size=5)
    future = engine.submit(golden.request("text"))
    engine.close()
    with pytest.raises(CancelledError):
        future.result(PATIENCE_S)


def test_the_worker_loads_a_backend_from_a_directory(golden: Golden) -> None:
    backend = load_backend(str(CASE), dtype="float32", device="cpu", max_batch_size=2)
    assert backend.info == InternVL(load_checkpoint(str(CASE), device="cpu")).info
    assert backend.submit(golden.request("text")).result(PATIENCE_S).token_ids == golden.ids("text")
    backend.close()
