"""The backend of a server keeps the engine's contract, and what servers say instead of answers becomes typed errors."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from pipelines.cancellation import Cancellation
from pipelines.errors import (
    CancelledError,
    ContextExceededError,
    ModelServerError,
    PipelineError,
    PromptError,
    ServerBusyError,
    ServerDeniedError,
    ServerUnavailableError,
)
from pipelines.model.backends.openai_server import OpenAIBackend, OpenAIServer
from pipelines.model.types import ChatRequest, Completion, Weighed
from reelmill.schema import Generation
from tests.faulty_server import Behaviour, FaultyServer, chunk, endless, fails, faulty_server, good, silent, streams

KEY = "sk-hunter2"
LONG_S = 60


@contextmanager
def asking(*behaviours: Behaviour, **settings: Any) -> Iterator[tuple[FaultyServer, OpenAIBackend]]:
    with faulty_server(*behaviours) as server:
        backend = OpenAIBackend(OpenAIServer(server.base_url, KEY, **settings))
        try:
            yield server, backend
        finally:
            backend.close()


def error_of(future: Future[Completion]) -> PipelineError:
    error = future.exception(timeout=LONG_S)
    assert isinstance(error, PipelineError)
    return error


def test_an_answer_is_added_up_from_its_pieces() -> None:
    with asking(good, extra_body={"skip_special_tokens": False}) as (server, backend):
        asked = ChatRequest("Who?", generation=Generation(max_new_tokens=5, seed=3))
        answer = backend.submit(asked).result(timeout=LONG_S)
    assert (answer.text, answer.raw_text) == ("re: Who?", " re: Who?")
    assert (answer.prompt_tokens, answer.output_tokens, answer.finish_reason) == (5, 3, "stop")
    (sent,) = server.requests
    assert {name: sent[name] for name in ("model", "stream", "max_tokens", "temperature", "seed")} == {
        "model": "m", "stream": True, "max_tokens": 5, "temperature": 0.0, "seed": 3,
    }  # fmt: skip
    assert sent["skip_special_tokens"] is False
    assert server.keys == [f"Bearer {KEY}"]


def test_the_server_says_what_it_serves() -> None:
    with asking(good) as (_, backend):
        info = backend.info
    assert (info.path, info.backend, info.context_tokens) == ("m", "openai", 99)
    assert (info.tile_size, info.tokens_per_tile, info.max_tiles) == (448, 256, 12)


def test_of_several_models_one_must_be_named() -> None:
    with faulty_server(good) as server:
        server.models = {"object": "list", "data": [{"id": name, "object": "model"} for name in ("a", "b")]}
        with pytest.raises(ServerDeniedError, match="serves a, b"):
            OpenAIBackend(OpenAIServer(server.base_url))
        OpenAIBackend(OpenAIServer(server.base_url, model="b")).close()


def test_an_answer_ends_before_its_stop_whether_or_not_the_server_ends_it_there() -> None:
    asked, pieces = Generation(stop=("\nUser:", "##")), []
    counted = {**chunk(None, "stop"), "usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}}
    for behaviour, tokens in (
        (streams(chunk(" one"), chunk(" two\nUs"), chunk("er: three"), counted), 4),
        (streams(chunk(" one"), chunk(" two"), counted), 4),
        (streams(chunk(" one"), chunk(" two\n"), chunk("User:"), chunk("more")), 3),
    ):
        with asking(behaviour) as (server, backend):
            request = ChatRequest("?", generation=asked, on_text=pieces.append)
            answer = backend.submit(request).result(timeout=LONG_S)
        assert server.requests[0]["stop"] == ["\nUser:", "##"]
        assert (answer.text, answer.finish_reason, answer.output_tokens) == ("one two", "stop", tokens)
        assert "".join(pieces) == "one two"
        assert len(pieces) == 2
        pieces.clear()


def test_a_server_that_talks_on_behind_a_stop_is_left() -> None:
    with asking(endless) as (server, backend):
        answer = backend.submit(ChatRequest("?", generation=Generation(stop=("aaa",)))).result(timeout=LONG_S)
        assert server.hung_up.wait(LONG_S)
    assert (answer.text, answer.finish_reason) == ("", "stop")


def test_what_is_said_is_heard_while_it_is_said() -> None:
    cancellation, pieces = Cancellation(), []

    def heard(piece: str) -> None:
        pieces.append(piece)
        if len(pieces) == 2:
            cancellation.cancel()

    with asking(endless) as (_, backend):
        future = backend.submit(ChatRequest("?", cancellation=cancellation, on_text=heard))
        assert isinstance(error_of(future), CancelledError)
    assert pieces[:2] == ["a", "a"]


def test_a_length_that_was_reached_is_told() -> None:
    with asking(streams(chunk("a"), chunk("b", "length"))) as (_, backend):
        answer = backend.submit(ChatRequest("?")).result(timeout=LONG_S)
    assert (answer.text, answer.finish_reason, answer.output_tokens) == ("ab", "length", 2)


def test_a_length_that_was_reached_in_a_loop_is_told_as_such() -> None:
    with asking(streams(chunk("I see: "), chunk("a cat, " * 300, "length"))) as (_, backend):
        assert backend.submit(ChatRequest("?")).result(timeout=LONG_S).finish_reason == "repetitive"


TOO_LONG = {"error": {"message": "This model's maximum context length is 99 tokens", "type": "invalid_request_error"}}


@pytest.mark.parametrize(
    ("behaviour", "expected", "words"),
    [
        (fails(400, TOO_LONG), ContextExceededError, "maximum context length is 99"),
        (fails(400, {"error": {"message": "no.", "code": "context_length_exceeded"}}), ContextExceededError, "no."),
        (fails(400, {"error": {"message": "no such field"}}), PromptError, "no such field"),
        (fails(422, {"detail": "Unexpected fields in the request: {'top_k'}"}), PromptError, "top_k"),
        (fails(401, {"error": {"message": f"Incorrect key {KEY}"}}), ServerDeniedError, r"Incorrect key \*\*\*"),
        (fails(404, {"error": {"message": "no model m"}}), ServerDeniedError, "no model m"),
        (fails(429, {"error": {"message": "later"}}, retry_after="0"), ServerBusyError, "later"),
        (fails(503, {"error": {"message": "full"}}, retry_after="0"), ServerBusyError, "full"),
        (fails(500, {"error": {"message": "boom"}}, retry_after="0"), ServerUnavailableError, "boom"),
        (fails(502, "<html>", retry_after="0"), ServerUnavailableError, "502"),
        (streams(chunk("half an ans")), ServerUnavailableError, "breaks off"),
        (streams(chunk("a"), {"error": {"message": "CUDA error"}}), ModelServerError, "CUDA error"),
        (streams(chunk("a"), {"error": "features do not match"}), ModelServerError, "features do not match"),
        (streams(chunk("a"), {"error": TOO_LONG["error"]}), ContextExceededError, "maximum context"),
        (streams(chunk("a", "content_filter")), PromptError, "content_filter"),
        (streams(chunk("a", "error")), ModelServerError, "'error'"),
    ],
)
def test_what_is_said_instead_of_an_answer_is_a_typed_error(
    behaviour: Behaviour, expected: type[PipelineError], words: str
) -> None:
    with asking(behaviour) as (_, backend):
        error = error_of(backend.submit(ChatRequest("?")))
    assert type(error) is expected
    assert error.transient == issubclass(expected, ModelServerError)
    with pytest.raises(expected, match=words):
        raise error
    assert KEY not in str(error)
    assert error.next_step


def test_what_passes_is_tried_again_as_the_server_asks() -> None:
    busy = fails(429, {"error": {"message": "later"}}, retry_after="0")
    with asking(busy, busy, good) as (server, backend):
        assert backend.submit(ChatRequest("Who?")).result(timeout=LONG_S).text == "re: Who?"
    assert len(server.requests) == 3


def test_a_server_that_is_not_there_is_a_passing_error() -> None:
    with asking(good) as (server, backend):
        server.stopped.set()
        with faulty_server(good) as gone:
            nowhere = gone.base_url
        with pytest.raises(ServerUnavailableError, match="cannot be reached") as refused:
            OpenAIBackend(OpenAIServer(nowhere))
        assert refused.value.transient
        assert backend.submit(ChatRequest("Who?")).result(timeout=LONG_S).text == "re: Who?"


def test_a_server_that_falls_silent_is_given_up() -> None:
    with asking(silent, timeout_s=0.2) as (_, backend):
        error = error_of(backend.submit(ChatRequest("?")))
    assert isinstance(error, ServerUnavailableError)
    assert "in time" in str(error)


@pytest.mark.parametrize("behaviour", [endless, silent])
def test_a_cancelled_request_ends_here_and_at_the_server(behaviour: Behaviour) -> None:
    cancellation = Cancellation()
    with asking(behaviour) as (server, backend):
        future = backend.submit(ChatRequest("?", cancellation=cancellation))
        assert server.going_on.wait(LONG_S)
        cancellation.cancel()
        assert isinstance(error_of(future), CancelledError)
        if behaviour is endless:
            assert server.hung_up.wait(LONG_S)


def test_a_future_that_its_owner_cancels_lets_the_connection_go() -> None:
    with asking(endless) as (server, backend):
        future = backend.submit(ChatRequest("?"))
        assert server.going_on.wait(LONG_S)
        assert future.cancel()
        assert server.hung_up.wait(LONG_S)


def test_close_ends_what_is_under_way_and_refuses_what_comes_after() -> None:
    with faulty_server(endless) as server:
        backend = OpenAIBackend(OpenAIServer(server.base_url, concurrency=1))
        running, waiting = backend.submit(ChatRequest("?")), backend.submit(ChatRequest("?"))
        assert server.going_on.wait(LONG_S)
        backend.close()
        backend.close()
        late = backend.submit(ChatRequest("?"))
        assert all(isinstance(error_of(future), CancelledError) for future in (running, waiting, late))
        assert server.hung_up.wait(LONG_S)


def test_no_more_requests_are_under_way_than_allowed_and_none_is_lost() -> None:
    answers: dict[int, str] = {}
    with asking(good, concurrency=3) as (server, backend):

        def ask(number: int) -> None:
            answers[number] = backend.submit(ChatRequest(f"{number}?")).result(timeout=LONG_S).text

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG_S)
    assert answers == {number: f"re: {number}?" for number in range(12)}
    assert server.most_under_way <= 3


def test_the_key_is_in_no_representation() -> None:
    assert KEY not in repr(OpenAIServer("http://x/v1", KEY))
    assert OpenAIServer("http://u:pw@host:1/v1").name == "host:1"


def test_whoever_answers_is_part_of_the_models_row() -> None:
    with asking(good) as (_, backend):
        assert backend.info.precision == "unknown (openai)"


def tells(**likely: float) -> Behaviour:
    """Answers with a first token, and how likely which were."""
    top = [{"token": token, "logprob": math.log(share), "bytes": None} for token, share in likely.items()]

    def behave(exchange: Any) -> None:
        first = chunk(" yes")
        first["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}], "refusal": None}
        exchange.stream(first, chunk(None, "length"))

    return behave


def test_a_schema_is_sent_as_the_response_format() -> None:
    with asking(good) as (server, backend):
        backend.submit(ChatRequest("?", json_schema='{"type": "integer"}')).result(timeout=LONG_S)
    (sent,) = server.requests
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "integer"}},
    }


def test_a_choice_is_weighed_by_all_first_tokens_that_begin_it_alone() -> None:
    with asking(tells(yes=0.5, ye=0.125, no=0.25, Yes=0.125)) as (server, backend):
        weighed = Weighed("yes", ("yes", "no"))
        answer = backend.submit(ChatRequest("?", weighed=weighed)).result(timeout=LONG_S)
        absent = backend.submit(ChatRequest("?", weighed=Weighed("maybe", ("maybe", "no")))).result(timeout=LONG_S)
    assert answer.log_likelihood == pytest.approx(math.log(0.625))
    assert absent.log_likelihood == -math.inf
    assert {name: server.requests[0][name] for name in ("logprobs", "top_logprobs", "max_tokens")} == {
        "logprobs": True, "top_logprobs": 20, "max_tokens": 1,
    }  # fmt: skip


def test_choices_are_refused_where_a_server_cannot_tell_them_apart() -> None:
    alike = Weighed("light red", ("light red", "light blue"))
    with asking(tells(light=1.0), good) as (_, backend):
        assert "same token" in str(error_of(backend.submit(ChatRequest("?", weighed=alike))))
        assert "logprobs" in str(error_of(backend.submit(ChatRequest("?", weighed=alike))))
