"""The continuous engine's contract: batched equals single, whoever comes, goes, fails or shares."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks._golden import GoldenCase
from pipelines.cancellation import Cancellation
from pipelines.errors import CancelledError, ContextExceededError, ModelError, ModelOutOfMemoryError
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.continuous.generator import Generator
from pipelines.model.continuous.passenger import Passenger
from pipelines.model.engine import SimpleEngine
from pipelines.model.internvl import InternVL
from pipelines.model.load import load_backend
from pipelines.model.types import ChatRequest, Completion, VisualInput
from reelmill.schema.tasks import Generation

from .conftest import CASE, NEW_TOKENS, PATIENCE_S, Golden, Steps, budget

FOREVER = Generation(max_new_tokens=4000)
RAMBLING = Generation(max_new_tokens=1500, do_sample=True, temperature=5.0, seed=1)
"""Long, in no loop, and in a row that leaves room for others."""


def text(question: str, **options: Any) -> ChatRequest:
    return ChatRequest(question, **{"generation": Generation(max_new_tokens=NEW_TOKENS), **options})


def answers(futures: Sequence[Future[Completion]]) -> list[Completion]:
    return [future.result(PATIENCE_S) for future in futures]


def count_encoded(model: InternVL, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counts: list[int] = []
    real = model.encode
    monkeypatch.setattr(model, "encode", lambda tiles: counts.append(len(tiles)) or real(tiles))
    return counts


def pictures(number: int, tiles: int = 1) -> VisualInput:
    """A picture of its own for each number."""
    chance = np.random.default_rng(number)
    return VisualInput(chance.integers(0, 256, (tiles, 112, 112, 3), np.uint8), (tiles,), (f"picture {number}",))


def alone(model: InternVL, requests: Sequence[ChatRequest]) -> list[tuple[int, ...]]:
    """What each request is answered with nobody beside it."""
    simple = SimpleEngine(model, max_batch_size=1)
    said = [simple.submit(request).result(PATIENCE_S).token_ids for request in requests]
    simple.close()
    return said


class TestBatchedEqualsSingle:
    @pytest.mark.parametrize("seed", [1, 2])
    def test_all_together_in_any_order_and_with_any_neighbour_they_give_the_same(
        self, engine: ContinuousEngine, golden: Golden, steps: Steps, seed: int
    ) -> None:
        chance = random.Random(seed)
        names = golden.single * 2
        chance.shuffle(names)
        lengths = [chance.choice([1, 5, 12, NEW_TOKENS]) for _ in names]
        futures = [
            engine.submit(golden.request(name, generation=Generation(max_new_tokens=length)))
            for name, length in zip(names, lengths, strict=True)
        ]
        steps.open()
        for name, length, said in zip(names, lengths, answers(futures), strict=True):
            assert said.token_ids == golden.ids(name)[:length], name
        assert steps.most > 8

    @pytest.mark.parametrize(("seed", "tiles"), [(3, 1), (4, 1), (5, 1), (6, 9), (7, 9), (8, 9)])
    def test_shuffled_cancelled_and_evicted_everybody_left_hears_what_they_hear_alone(
        self, model: InternVL, sharers: list[str], seed: int, tiles: int
    ) -> None:
        chance = random.Random(seed)
        asked = [
            ChatRequest(
                f"<image>\nWhat is {chance.choice('abcdefgh')}{'?' * chance.randrange(1, 30)}",
                pictures(number, tiles),
            )
            for number in [chance.randrange(7) for _ in range(24)]
        ]
        lengths = [chance.randrange(1, 20) for _ in asked]
        asked = [
            ChatRequest(request.question, request.visual, generation=Generation(max_new_tokens=length))
            for request, length in zip(asked, lengths, strict=True)
        ]
        expected = alone(model, asked)
        # Room for four pictures of seven, ids that come around, and a cache that a few requests fill.
        per_picture = model.info.tokens_per_tile * tiles
        tight = budget(
            cache_tokens=384 if tiles == 1 else 1536,
            requests=chance.choice([3, 6, 12]),
            table_bytes=4 * per_picture * 4 * model_width(model),
        )
        engine = ContinuousEngine(model, budget=tight, last_id=vocabulary(model) + 3 * 4 * per_picture)
        flags = [CancelsAtLook(chance.randrange(1, 40)) if chance.random() < 0.25 else None for _ in asked]
        futures = []
        for request, flag in zip(asked, flags, strict=True):
            futures.append(
                engine.submit(
                    ChatRequest(request.question, request.visual, generation=request.generation, cancellation=flag)
                )
            )
            if chance.random() < 0.3:
                time.sleep(0.01)
        for future, flag, ids in zip(futures, flags, expected, strict=True):
            try:
                assert future.result(PATIENCE_S).token_ids == ids
            except CancelledError:
                assert flag is not None
        engine.close()
        assert bool(sharers) == (tiles > 1)


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


def model_width(model: InternVL) -> int:
    return int(model.network.embedding_weight.shape[1])


def vocabulary(model: InternVL) -> int:
    return int(model.network.embedding_weight.shape[0])


class TestSiblings:
    def questions(self, golden: Golden, count: int) -> list[ChatRequest]:
        return [golden.request("single_image_other", question=f"<image>\nWhat is {n}?") for n in range(count)]

    def test_questions_sent_together_encode_their_picture_once_and_compute_its_prefix_once(
        self,
        engine: ContinuousEngine,
        model: InternVL,
        golden: Golden,
        steps: Steps,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        expected = alone(model, self.questions(golden, 4))
        encoded = count_encoded(model, monkeypatch)
        futures = [engine.submit(request) for request in self.questions(golden, 4)]
        steps.open()
        said = answers(futures)
        assert [one.token_ids for one in said] == expected
        assert encoded == [3]
        assert [len(names) for names in steps.names[:2]] == [1, 4]
        assert steps.tokens[0] == said[0].prompt_tokens
        own = 1 + 3 * (16 + 12)  # the leader's token; each sibling's own words and the rest of a page
        assert steps.tokens[1] < own < said[0].prompt_tokens

    def test_a_later_question_finds_the_features_and_the_prefix(
        self,
        engine: ContinuousEngine,
        model: InternVL,
        golden: Golden,
        steps: Steps,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        encoded = count_encoded(model, monkeypatch)
        steps.open()
        for request in self.questions(golden, 2):
            answers([engine.submit(request)])
        prefills = [tokens for tokens in steps.tokens if tokens > 1]
        assert encoded == [3]
        assert len(prefills) == 2
        assert prefills[1] < prefills[0] / 2

    def test_when_the_first_one_is_cancelled_in_its_prefill_another_takes_its_place(
        self, model: InternVL, golden: Golden, steps: Steps
    ) -> None:
        expected = alone(model, self.questions(golden, 3))
        engine = ContinuousEngine(model, budget=budget(step_tokens=64))  # a prefill of several steps
        flag = CancelsAtLook(4)
        requests = self.questions(golden, 3)
        doomed = engine.submit(
            ChatRequest(requests[0].question, requests[0].visual, generation=FOREVER, cancellation=flag)
        )
        futures = [engine.submit(request) for request in requests[1:]]
        steps.open()
        with pytest.raises(CancelledError):
            doomed.result(PATIENCE_S)
        assert [one.token_ids for one in answers(futures)] == expected[1:]
        engine.close()


class TestSharedPrefixes:
    """Siblings whose common prefix is long enough to be read in one place."""

    def questions(self, count: int, picture: int = 0, tokens: int = 12) -> list[ChatRequest]:
        settings = Generation(max_new_tokens=tokens)
        return [
            ChatRequest(f"<image>\n{number} is what?", pictures(picture, 9), generation=settings)
            for number in range(count)
        ]

    def test_all_of_a_media_read_it_once_and_hear_what_they_hear_alone(
        self, engine: ContinuousEngine, model: InternVL, steps: Steps
    ) -> None:
        asked = [*self.questions(5), *self.questions(3, 1), text("What?")]
        expected = alone(model, asked)
        futures = [engine.submit(request) for request in asked]
        steps.open()
        assert [one.token_ids for one in answers(futures)] == expected
        assert sorted(steps.audiences, key=sum)[-1] == [3, 5]

    def test_a_question_that_comes_later_joins_those_that_are_speaking(
        self, engine: ContinuousEngine, model: InternVL, steps: Steps
    ) -> None:
        flag = Cancellation()
        expected = alone(model, self.questions(2))
        steps.open()
        endless = ChatRequest("<image>\nAnd?", pictures(0, 9), generation=RAMBLING, cancellation=flag)
        first = engine.submit(endless)
        said = [answers([engine.submit(request)])[0].token_ids for request in self.questions(2)]
        assert said == expected
        assert [2] in steps.audiences
        flag.cancel()
        first.exception(PATIENCE_S)  # cancelled, unless it came to an end by itself

    @pytest.mark.parametrize("gone", [0, 2])
    def test_when_one_of_them_is_cancelled_the_others_go_on(
        self, engine: ContinuousEngine, model: InternVL, steps: Steps, gone: int
    ) -> None:
        asked = self.questions(4)
        expected = alone(model, asked)
        asked[gone] = ChatRequest(
            asked[gone].question, asked[gone].visual, generation=RAMBLING, cancellation=CancelsAtLook(8)
        )
        futures = [engine.submit(request) for request in asked]
        steps.open()
        with pytest.raises(CancelledError):
            futures.pop(gone).result(PATIENCE_S)
        del expected[gone]
        assert [one.token_ids for one in answers(futures)] == expected

    def test_out_of_memory_among_them_is_recovered_from(
        self, engine: ContinuousEngine, model: InternVL, steps: Steps
    ) -> None:
        asked = self.questions(5)
        expected = alone(model, asked)

        def full(passengers: list[Passenger]) -> None:
            if sum(bool(passenger.shared) for passenger in passengers) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")

        steps.fail = full
        futures = [engine.submit(request) for request in asked]
        steps.open()
        assert [one.token_ids for one in answers(futures)] == expected
        assert [2] in steps.audiences

    def test_ids_that_come_around_are_not_answered_from_what_they_meant_before(
        self, model: InternVL, sharers: list[str]
    ) -> None:
        asked = [request for picture in range(4) for request in self.questions(2, picture, tokens=6)]
        expected = alone(model, asked)
        # Room for one picture, one generation: every picture has the same ids.
        per_picture = model.info.tokens_per_tile * 9
        table = budget(table_bytes=per_picture * 4 * model_width(model))
        engine = ContinuousEngine(model, budget=table, last_id=vocabulary(model) + per_picture - 1)
        assert [one.token_ids for one in answers([engine.submit(request) for request in asked])] == expected
        engine.close()
        assert sharers


class TestLongNeighbours:
    def test_a_short_answer_does_not_wait_for_a_long_one(self, engine: ContinuousEngine, golden: Golden) -> None:
        flag = Cancellation()
        endless = engine.submit(golden.request("text", generation=FOREVER, cancellation=flag))
        for _ in range(3):
            assert answers([engine.submit(golden.request("text_round2"))])[0].token_ids == golden.ids("text_round2")
        assert not endless.done()
        flag.cancel()
        with pytest.raises(CancelledError):
            endless.result(PATIENCE_S)

    def test_a_long_prompt_is_computed_in_parts_while_others_go_on(
        self, model: InternVL, golden: Golden, steps: Steps
    ) -> None:
        engine = ContinuousEngine(model, budget=budget(step_tokens=64))
        names = ["text", "multi_image_combined_round2", "text_round2"]
        futures = [engine.submit(golden.request(name)) for name in names]
        steps.open()
        assert [one.token_ids for one in answers(futures)] == [golden.ids(name) for name in names]
        assert max(steps.tokens) == 64
        assert sum(tokens == 64 and len(names) > 1 for tokens, names in zip(steps.tokens, steps.names, strict=True)) > 1
        engine.close()


class TestTightMemory:
    def test_when_the_cache_is_full_requests_wait_for_their_room(
        self, model: InternVL, golden: Golden, steps: Steps
    ) -> None:
        engine = ContinuousEngine(model, budget=budget(cache_tokens=480))
        names = ["text", "text_round2", "single_image_no_placeholder", "text", "single_image_other"]
        futures = [engine.submit(golden.request(name)) for name in names]
        steps.open()
        assert [one.token_ids for one in answers(futures)] == [golden.ids(name) for name in names]
        engine.close()

    def test_a_request_larger_than_the_cache_is_answered_without_it(self, model: InternVL, golden: Golden) -> None:
        engine = ContinuousEngine(model, budget=budget(cache_tokens=160))
        assert answers([engine.submit(golden.request("video"))])[0].token_ids == golden.ids("video")
        engine.close()

    def test_a_request_that_sees_more_than_the_table_holds_is_answered_without_it(
        self, model: InternVL, golden: Golden
    ) -> None:
        engine = ContinuousEngine(model, budget=budget(table_bytes=1))
        assert answers([engine.submit(golden.request("video"))])[0].token_ids == golden.ids("video")
        engine.close()

    def test_pictures_share_a_table_that_holds_one_at_a_time(self, model: InternVL) -> None:
        requests = [
            ChatRequest("<image>\nWhat?", pictures(n % 3), generation=Generation(max_new_tokens=6)) for n in range(9)
        ]
        expected = alone(model, requests)
        engine = ContinuousEngine(model, budget=budget(table_bytes=1))
        assert [one.token_ids for one in answers([engine.submit(request) for request in requests])] == expected
        engine.close()


class TestIdsThatComeAround:
    def test_an_id_that_means_something_new_finds_nothing_of_what_it_meant_before(self, model: InternVL) -> None:
        requests = [
            ChatRequest("<image>\nWhat?", pictures(n), generation=Generation(max_new_tokens=6)) for n in range(6)
        ]
        expected = alone(model, requests)
        assert len(set(expected)) > 1
        # One tile, one generation: every picture has the same ids.
        per_tile = model.info.tokens_per_tile
        engine = ContinuousEngine(model, budget=budget(table_bytes=1), last_id=vocabulary(model) + per_tile - 1)
        for request, ids in zip(requests, expected, strict=True):
            assert answers([engine.submit(request)])[0].token_ids == ids
        engine.close()

    def test_nor_do_those_of_a_cancelled_request_live_on(self, model: InternVL, steps: Steps) -> None:
        requests = [
            ChatRequest("<image>\nWhat?", pictures(n), generation=Generation(max_new_tokens=6)) for n in range(2)
        ]
        expected = alone(model, requests)
        per_tile = model.info.tokens_per_tile
        tight = budget(table_bytes=1, step_tokens=32)  # a prefill of several steps
        engine = ContinuousEngine(model, budget=tight, last_id=vocabulary(model) + per_tile - 1)
        steps.open()
        for look in range(2, 6):
            flag = CancelsAtLook(look)
            doomed = engine.submit(ChatRequest("<image>\nWhat?", pictures(0), generation=FOREVER, cancellation=flag))
            after = engine.submit(requests[1])
            with pytest.raises(CancelledError):
                doomed.result(PATIENCE_S)
            assert after.result(PATIENCE_S).token_ids == expected[1]
        engine.close()


class TestFailures:
    def test_out_of_memory_shrinks_retries_and_remembers(
        self, engine: ContinuousEngine, golden: Golden, steps: Steps
    ) -> None:
        def full(passengers: list[Passenger]) -> None:
            if len(passengers) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")

        steps.fail = full
        futures = [engine.submit(golden.request("text")) for _ in range(9)]
        steps.open()
        assert {one.token_ids for one in answers(futures)} == {golden.ids("text")}
        failures = sum(len(names) > 2 for names in steps.names)
        assert 1 <= failures <= 2  # at most 9, then 4; two fit
        futures = [engine.submit(golden.request("text_round2")) for _ in range(5)]
        assert {one.token_ids for one in answers(futures)} == {golden.ids("text_round2")}
        assert sum(len(names) > 2 for names in steps.names) == failures

    @pytest.mark.parametrize(
        "full",
        [
            torch.OutOfMemoryError("CUDA out of memory"),
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        ],
    )
    def test_a_request_that_does_not_fit_alone_fails_alone(
        self, engine: ContinuousEngine, golden: Golden, steps: Steps, full: Exception
    ) -> None:
        def fail(passengers: list[Passenger]) -> None:
            if any(len(passenger.prompt) > 200 for passenger in passengers):
                raise full

        steps.fail = fail
        large = engine.submit(golden.request("multi_image_combined_round2"))
        others = ["single_image_other", "text", "text_round2", "single_image_no_placeholder"]
        futures = [engine.submit(golden.request(name)) for name in others]
        steps.open()
        with pytest.raises(ModelOutOfMemoryError):
            large.result(PATIENCE_S)
        assert [one.token_ids for one in answers(futures)] == [golden.ids(name) for name in others]
        steps.names.clear()
        futures = [engine.submit(golden.request("text", generation=Generation(max_new_tokens=9))) for _ in range(6)]
        answers(futures)
        assert steps.most > 2  # the guilty one's failures taught nothing about the others

    def test_a_request_that_breaks_the_step_does_not_hurt_its_neighbours(
        self, engine: ContinuousEngine, golden: Golden, steps: Steps
    ) -> None:
        longest = golden.conversation("single_image_round2")["prompt_length"]

        def fail(passengers: list[Passenger]) -> None:
            if any(len(passenger.prompt) == longest for passenger in passengers):
                raise ValueError("bad kernel")

        steps.fail = fail
        names = ["text_round2", "single_image_round2", "multi_image_combined", "single_image_round1"]
        futures = {name: engine.submit(golden.request(name)) for name in names}
        steps.open()
        with pytest.raises(ModelError, match="ValueError: bad kernel"):
            futures.pop("single_image_round2").result(PATIENCE_S)
        for name, future in futures.items():
            assert future.result(PATIENCE_S).token_ids == golden.ids(name), name
        assert answers([engine.submit(golden.request("text"))])[0].token_ids == golden.ids("text")

    def test_pictures_that_cannot_be_encoded_fail_alone(
        self, engine: ContinuousEngine, model: InternVL, golden: Golden, steps: Steps, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = model.encode

        def encode(tiles: Any) -> torch.Tensor:
            if any((tile == 7).all() for tile in tiles):
                raise ValueError("bad pixels")
            return real(tiles)

        monkeypatch.setattr(model, "encode", encode)
        bad = VisualInput(np.full((1, 112, 112, 3), 7, np.uint8), (1,), ("bad",))
        broken = engine.submit(ChatRequest("<image>\nWhat?", bad))
        others = [engine.submit(golden.request(name)) for name in ("single_image_other", "text")]
        steps.open()
        with pytest.raises(ModelError, match="bad pixels"):
            broken.result(PATIENCE_S)
        said = [one.token_ids for one in answers(others)]
        assert said == [golden.ids(name) for name in ("single_image_other", "text")]

    def test_a_generator_that_takes_nothing_is_replaced(
        self, engine: ContinuousEngine, golden: Golden, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, refusals = Generator.add, iter([True])

        def add(self: Generator, *rest: Any) -> None:
            if next(refusals, False):
                raise RuntimeError("takes nothing")
            real(self, *rest)

        monkeypatch.setattr(Generator, "add", add)
        names = ["text", "text_round2", "single_image_other"]
        futures = [engine.submit(golden.request(name)) for name in names]
        assert [one.token_ids for one in answers(futures)] == [golden.ids(name) for name in names]


class TestCancellation:
    def test_it_takes_effect_between_tokens_and_spares_the_neighbour(
        self, engine: ContinuousEngine, golden: Golden, steps: Steps
    ) -> None:
        flag = CancelsAtLook(10)
        endless = engine.submit(golden.request("text", generation=FOREVER, cancellation=flag))
        neighbour = engine.submit(golden.request("text_round2"))
        steps.open()
        with pytest.raises(CancelledError):
            endless.result(PATIENCE_S)
        assert neighbour.result(PATIENCE_S).token_ids == golden.ids("text_round2")
        assert flag.looks < 15

    def test_a_queued_request_ends_while_another_runs(self, model: InternVL, golden: Golden) -> None:
        engine = ContinuousEngine(model, budget=budget(requests=1))
        running, queued = Cancellation(), Cancellation()
        first = engine.submit(golden.request("text", generation=FOREVER, cancellation=running))
        second = engine.submit(golden.request("text", cancellation=queued))
        queued.cancel()
        with pytest.raises(CancelledError):
            second.result(PATIENCE_S)
        assert not first.done()
        running.cancel()
        with pytest.raises(CancelledError):
            first.result(PATIENCE_S)
        engine.close()

    def test_a_future_cancelled_by_its_owner_does_not_stop_the_engine(self, model: InternVL, golden: Golden) -> None:
        engine = ContinuousEngine(model, budget=budget(requests=1))
        flag = Cancellation()
        first = engine.submit(golden.request("text", generation=FOREVER, cancellation=flag))
        dropped = engine.submit(golden.request("text"))
        assert dropped.cancel()
        flag.cancel()
        with pytest.raises(CancelledError):
            first.result(PATIENCE_S)
        assert answers([engine.submit(golden.request("text"))])[0].token_ids == golden.ids("text")
        engine.close()

    def test_a_running_future_can_no_longer_be_cancelled_by_its_owner(
        self, engine: ContinuousEngine, golden: Golden, steps: Steps
    ) -> None:
        running = engine.submit(golden.request("text"))
        assert steps.reached.wait(PATIENCE_S)
        assert not running.cancel()
        steps.open()
        assert running.result(PATIENCE_S).token_ids == golden.ids("text")


class TestOtherPaths:
    @pytest.mark.parametrize(
        "settings",
        [
            {"do_sample": True, "temperature": 2.0, "seed": 7},
            {"num_beams": 3},
            {"repetition_penalty": 1.5},
        ],
    )
    def test_what_is_not_greedy_is_answered_as_by_the_simple_engine(
        self, engine: ContinuousEngine, model: InternVL, golden: Golden, settings: dict[str, Any]
    ) -> None:
        request = golden.request("single_image_other", generation=Generation(max_new_tokens=8, **settings))
        neighbours = [engine.submit(golden.request("text")) for _ in range(3)]
        assert answers([engine.submit(request)])[0].token_ids == alone(model, [request])[0]
        assert {one.token_ids for one in answers(neighbours)} == {golden.ids("text")}

    def test_a_prompt_past_the_rope_window_does_not_touch_those_inside_it(self) -> None:
        case = GoldenCase(CASE.parent / "internvl2_5-internlm2-ntk")
        model = InternVL(load_checkpoint(str(case.directory), dtype="float32", device="cpu"))
        rows = [case.rows(name)[0] for name in ("text", "history_clean", "text_round2")]
        engine = ContinuousEngine(model, budget=budget())
        for _ in range(2):
            futures = [engine.submit(row.request()) for row in rows]
            assert [one.token_ids for one in answers(futures)] == [row.generated_ids for row in rows]
        engine.close()

    def test_a_prompt_past_the_window_is_refused(self, copy_checkpoint: Callable[..., Path]) -> None:
        directory = copy_checkpoint(llm_config={"max_position_embeddings": 82})
        engine = ContinuousEngine(InternVL(load_checkpoint(str(directory), device="cpu")), budget=budget())
        with pytest.raises(ContextExceededError):
            engine.submit(text("Hello, who are you?")).result(0)
        engine.close()


class TestClosing:
    def test_what_runs_and_what_waits_fails_with_cancelled_error(self, model: InternVL, golden: Golden) -> None:
        engine = ContinuousEngine(model, budget=budget(requests=1))
        futures = [engine.submit(golden.request("text", generation=FOREVER)) for _ in range(3)]
        futures.append(engine.submit(golden.request("text", generation=FOREVER.model_copy(update={"num_beams": 2}))))
        engine.close()
        for future in futures:
            with pytest.raises(CancelledError):
                future.result(0)

    def test_closing_ends_the_threads_and_leaves_the_model_as_it_was(self, model: InternVL, golden: Golden) -> None:
        before = {thread.name for thread in threading.enumerate()}
        attention = model.network.language_model.config._attn_implementation
        engine = ContinuousEngine(model, budget=budget())
        engine.submit(golden.request("text")).result(PATIENCE_S)
        engine.close()
        assert {thread.name for thread in threading.enumerate()} == before
        assert model.network.language_model.config._attn_implementation == attention
        assert alone(model, [golden.request("single_image_other")]) == [golden.ids("single_image_other")]


def test_a_backend_is_chosen_by_name(golden: Golden) -> None:
    for name, kind in (("continuous", ContinuousEngine), ("simple", SimpleEngine)):
        backend = load_backend(str(CASE), dtype="float32", device="cpu", engine=name)  # type: ignore[arg-type]
        assert type(backend) is kind
        assert backend.submit(golden.request("text")).result(PATIENCE_S).token_ids == golden.ids("text")
        backend.close()
