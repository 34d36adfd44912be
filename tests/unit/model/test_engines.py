"""What every engine promises, whichever serves."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from pipelines.cancellation import Cancellation
from pipelines.errors import CancelledError, PromptError
from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.engine import SimpleEngine
from pipelines.model.internvl import InternVL
from pipelines.model.repetition import LOOP_TOKENS
from pipelines.model.types import Backend, ChatRequest, Completion
from reelmill.schema.tasks import Generation

from .conftest import NEW_TOKENS, Golden

PATIENCE_S = 60
ENGINES: list[Callable[[InternVL], Backend]] = [SimpleEngine, ContinuousEngine]


@pytest.fixture(params=ENGINES, ids=["simple", "continuous"])
def engine(request: pytest.FixtureRequest, model: InternVL) -> Iterator[Backend]:
    started = request.param(model)
    yield started
    started.close()


def text(question: str, **settings: object) -> ChatRequest:
    return ChatRequest(question, generation=Generation(**{"max_new_tokens": NEW_TOKENS, **settings}))


def stopping(*stop: str) -> Generation:
    return Generation(max_new_tokens=NEW_TOKENS, stop=stop)


class TestAnswers:
    def test_every_recorded_conversation_alone_gives_its_ids(self, engine: Backend, golden: Golden) -> None:
        for name in golden.single:
            assert engine.submit(golden.request(name)).result(PATIENCE_S).token_ids == golden.ids(name), name

    def test_a_completion_holds_text_counts_and_why_it_ended(self, engine: Backend, golden: Golden) -> None:
        stopped, cut = (
            engine.submit(golden.request(name)).result(PATIENCE_S) for name in ("single_image_round1", "video")
        )
        assert (stopped.text, stopped.finish_reason) == ("a Iorad rowThe d", "stop")
        assert stopped.raw_text == " a Iorad rowThe d<|im_end|>"
        assert stopped.prompt_tokens == golden.conversation("single_image_round1")["prompt_length"]
        assert (cut.text, cut.finish_reason) == (golden.conversation("video")["response"], "length")
        assert cut.wait_s >= 0
        assert cut.vision_s > 0
        assert cut.prefill_s > 0
        assert cut.generate_s > 0

    def test_an_answer_that_runs_into_a_loop_is_stopped_there(self, engine: Backend) -> None:
        # So small a penalty is a reward: what was said is said again.
        looping, short = (engine.submit(text("a", max_new_tokens=most, repetition_penalty=0.2)) for most in (900, 200))
        said = looping.result(PATIENCE_S)
        assert said.finish_reason == "repetitive"
        assert LOOP_TOKENS <= said.output_tokens < 900
        assert short.result(PATIENCE_S).finish_reason == "length"

    def test_any_thread_may_submit(self, engine: Backend, golden: Golden) -> None:
        names = ["text", "single_image_other", "single_image_no_placeholder", "text_round2"]
        said: dict[str, Completion] = {}

        def ask(name: str) -> None:
            said[name] = engine.submit(golden.request(name)).result(PATIENCE_S)

        threads = [threading.Thread(target=ask, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {name: one.token_ids for name, one in said.items()} == {name: golden.ids(name) for name in names}

    def test_an_idle_engine_holds_no_request(self, engine: Backend, golden: Golden) -> None:
        request = golden.request("single_image_other")
        assert request.visual is not None
        tiles = weakref.ref(request.visual.tiles)
        engine.submit(request).result(PATIENCE_S)
        del request
        deadline = time.monotonic() + PATIENCE_S
        while tiles() is not None and time.monotonic() < deadline:
            time.sleep(0.01)  # the engine's thread is on its way back to waiting
        assert tiles() is None


class TestSettings:
    @pytest.mark.parametrize(
        "settings",
        [
            {"do_sample": True, "temperature": 2.0},
            {"do_sample": True, "top_p": 0.7, "temperature": 3.0},
            {"do_sample": True, "top_k": 3, "repetition_penalty": 1.3},
            {"do_sample": True, "top_k": 0},
        ],
    )
    def test_a_seed_decides_alone_what_is_sampled(
        self, engine: Backend, model: InternVL, settings: dict[str, object]
    ) -> None:
        sampled = text("Hello", seed=7, **settings)
        with_neighbours = [engine.submit(one) for one in (text("Hello 1"), sampled, text("Hello 2"), sampled)]
        said = [one.result(PATIENCE_S).token_ids for one in with_neighbours]
        other = engine.submit(text("Hello", seed=8, **settings)).result(PATIENCE_S).token_ids
        simple = SimpleEngine(model)
        assert said[1] == said[3] == simple.submit(sampled).result(PATIENCE_S).token_ids
        assert said[1] != other
        simple.close()

    def test_without_a_seed_answers_differ(self, engine: Backend) -> None:
        sampled = text("Hello", do_sample=True, temperature=3.0)
        futures = [engine.submit(sampled) for _ in range(4)]
        assert len({future.result(PATIENCE_S).token_ids for future in futures}) > 1

    def test_a_repeated_word_is_penalised(self, engine: Backend, model: InternVL) -> None:
        request = text("Hello", repetition_penalty=3.0)
        simple = SimpleEngine(model)
        expected = simple.submit(request).result(PATIENCE_S).token_ids
        assert engine.submit(request).result(PATIENCE_S).token_ids == expected
        assert expected != engine.submit(text("Hello")).result(PATIENCE_S).token_ids
        simple.close()


class TestListening:
    def test_the_pieces_add_up_to_the_answer_and_come_before_it(self, engine: Backend, golden: Golden) -> None:
        pieces: dict[str, list[str]] = {name: [] for name in golden.single}
        futures = {name: engine.submit(golden.request(name, on_text=heard.append)) for name, heard in pieces.items()}
        for name, future in futures.items():
            said = future.result(PATIENCE_S).text
            assert "".join(pieces[name]) == said, name
            assert len(pieces[name]) > 1 or len(said) < 4

    def test_what_is_heard_is_heard_while_it_is_generated(self, engine: Backend, golden: Golden) -> None:
        flag, pieces = Cancellation(), []

        def heard(piece: str) -> None:
            pieces.append(piece)
            if len(pieces) == 3:
                flag.cancel()

        endless = golden.request("text", generation=Generation(max_new_tokens=4000), cancellation=flag, on_text=heard)
        with pytest.raises(CancelledError):
            engine.submit(endless).result(PATIENCE_S)
        assert 3 <= len(pieces) < 20

    def test_a_sampled_answer_and_a_beam_search_are_heard_too(self, engine: Backend) -> None:
        for settings in ({"do_sample": True, "seed": 1}, {"num_beams": 2}):
            pieces: list[str] = []
            request = text("Hello", **settings)
            request = ChatRequest(request.question, generation=request.generation, on_text=pieces.append)
            assert engine.submit(request).result(PATIENCE_S).text == "".join(pieces)

    def test_a_listener_that_fails_hurts_nobody(
        self, engine: Backend, golden: Golden, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(piece: str) -> None:
            raise ValueError("broken pipe")

        with caplog.at_level(logging.WARNING):
            futures = {name: engine.submit(golden.request(name, on_text=fail)) for name in ("text", "text_round2")}
            for name, future in futures.items():
                assert future.result(PATIENCE_S).token_ids == golden.ids(name)
        assert len([record for record in caplog.records if "listener" in record.message]) == 2


class TestStops:
    def test_an_answer_ends_before_its_stop_with_the_token_that_completes_it(
        self, engine: Backend, model: InternVL, golden: Golden
    ) -> None:
        """Beside a neighbour that goes on, and one that stops at something that it never says."""
        whole = {name: golden.conversation(name)["response"] for name in ("text", "single_image_other", "video")}
        stop = whole["text"][5:8]
        requests = {
            "text": golden.request("text", generation=stopping(stop, "never said")),
            "single_image_other": golden.request("single_image_other"),
            "video": golden.request("video", generation=stopping("never said")),
        }
        futures = {name: engine.submit(request) for name, request in requests.items()}
        said = {name: future.result(PATIENCE_S) for name, future in futures.items()}
        ids, stopped = golden.ids("text"), said["text"]
        assert (stopped.text, stopped.finish_reason) == (whole["text"].split(stop)[0].strip(), "stop")
        assert stop in stopped.raw_text
        assert stopped.token_ids == ids[: len(stopped.token_ids)]
        assert stop not in model.tokenizer.decode(ids[: len(stopped.token_ids) - 1])
        for name in ("single_image_other", "video"):
            assert (said[name].text, said[name].token_ids) == (whole[name], golden.ids(name))

    @pytest.mark.parametrize("settings", [{}, {"do_sample": True, "seed": 3}, {"num_beams": 2}])
    def test_nobody_hears_a_part_of_a_stop(self, engine: Backend, golden: Golden, settings: dict[str, object]) -> None:
        question = golden.asked("text")
        free = engine.submit(text(question, **settings)).result(PATIENCE_S)
        # Stops at every place, of several tokens: the pieces before them must not begin them.
        for place in range(1, min(len(free.text) - 4, 12)):
            stop, pieces = free.text[place : place + 4], []
            generation = Generation(max_new_tokens=NEW_TOKENS, stop=(stop,), **settings)
            request = ChatRequest(question, generation=generation, on_text=pieces.append)
            said = engine.submit(request).result(PATIENCE_S)
            assert "".join(pieces) == said.text == free.text.split(stop)[0].strip()
            assert said.finish_reason == "stop"

    def test_the_published_chat_heeds_it_too(self, model: InternVL, golden: Golden) -> None:
        whole = golden.conversation("text")["response"]
        said = model.chat(None, golden.asked("text"), stopping(whole[5:8]))
        assert said == whole.split(whole[5:8])[0].strip()


class TestRefusals:
    def test_a_request_cancelled_before_it_is_submitted_costs_nothing(self, engine: Backend, golden: Golden) -> None:
        flag = Cancellation()
        flag.cancel()
        with pytest.raises(CancelledError):
            engine.submit(golden.request("text", cancellation=flag)).result(0)

    def test_what_does_not_fit_together_is_a_prompt_error(self, engine: Backend, golden: Golden) -> None:
        with pytest.raises(PromptError, match="0 <image>"):
            engine.submit(golden.request("single_image", question="no picture named")).result(0)

    def test_a_closed_engine_takes_nothing_more(self, engine: Backend, golden: Golden) -> None:
        engine.close()
        engine.close()
        with pytest.raises(CancelledError, match="closed"):
            engine.submit(golden.request("text")).result(0)
