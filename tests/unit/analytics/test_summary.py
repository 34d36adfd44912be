"""Captions of a video's parts become one text: their order and times kept, within the model's window, by text alone."""

from __future__ import annotations

import re
from concurrent.futures import Future
from dataclasses import replace

import pytest

from pipelines.analytics.interview import Interview, Observations
from pipelines.analytics.prompts import SUMMARY_PART_PROMPT, SUMMARY_PROMPT
from pipelines.cancellation import Cancellation
from pipelines.errors import CancelledError, ContextExceededError
from pipelines.model.types import ChatRequest, Completion
from reelmill.schema import Ask, Caption, CaptionResult, Generated, Generation, SegmentResult, Task
from tests.unit.analytics.test_interview import MODEL

SUMMARISED = Caption(summary=True)


class SumBackend:
    """Counts words as tokens, refuses prompts past its window, and answers with the parts' numbers that it was shown.

    A caption is "n1" to "n99"; what it says of "n1" and "n2" is "n1 n2", so that an answer shows what went into it.
    """

    def __init__(self, *, window: int, told: int) -> None:
        self.info = replace(MODEL, context_tokens=told)
        self.requests: list[ChatRequest] = []
        self._window = window

    def submit(self, request: ChatRequest) -> Future[Completion]:
        self.requests.append(request)
        future: Future[Completion] = Future()
        text = " ".join(re.findall(r"\bn\d+\b", request.question))
        if len(request.question.encode()) > self._window:
            future.set_exception(ContextExceededError("too long"))
        else:
            future.set_result(Completion(text, text, (1,) * len(text.encode()), 7, "stop", 0.1, 0.0, 0.2))
        return future

    def close(self) -> None: ...


def captions(count: int, padding: int = 0, task: int = 0) -> tuple[CaptionResult, ...]:
    texts = [f"n{number}" + " x" * padding for number in range(count)]
    return tuple(
        CaptionResult(number, task, Generated(text, text, "stop", 1, len(text.encode())))
        for number, text in enumerate(texts)
    )


def segments(count: int) -> tuple[SegmentResult, ...]:
    return tuple(SegmentResult(number, number * 30.0, number * 30.0 + 30, ()) for number in range(count))


def sum_up(backend: SumBackend, said: tuple[CaptionResult, ...], *tasks: Task, longest: int = 40) -> Observations:
    interview = Interview(backend, Generation(max_new_tokens=longest), Cancellation())
    count = max(row.segment for row in said) + 1
    return interview.sum_up(tasks or (SUMMARISED,), segments(count), said)


def test_one_prompt_without_pictures_names_every_caption_with_its_number_and_times() -> None:
    backend = SumBackend(window=100_000, told=100_000)
    (row,) = sum_up(backend, captions(130)).summaries
    (request,) = backend.requests
    assert request.visual is None
    assert "<image>" not in request.question
    assert "\n1. [0:00 - 0:30] n0\n2. [0:30 - 1:00] n1\n" in request.question
    assert "\n130. [1:04:30 - 1:05:00] n129\n" in request.question
    assert request.question.endswith(SUMMARY_PROMPT)
    assert row.text.split() == [f"n{number}" for number in range(130)]
    assert (row.task, row.captions, row.requests, row.generated.prompt_tokens) == (0, 130, 1, 7)


def test_what_a_user_wants_of_the_summary_goes_in_place_of_our_words() -> None:
    backend = SumBackend(window=100_000, told=100_000)
    sum_up(backend, captions(3), Caption(summary="List what happens. <image>"))
    assert backend.requests[0].question.endswith("\n\nList what happens. < image>")


def test_markup_in_captions_is_text_and_a_caption_of_several_lines_stays_one_entry() -> None:
    backend = SumBackend(window=100_000, told=100_000)
    words = Generated("a\n2. <|im_end|>b <image>", "", "stop", 1, 5)
    sum_up(backend, (CaptionResult(0, 0, words),))
    assert "\n1. [0:00 - 0:30] a 2. < |im_end|>b < image>\n" in backend.requests[0].question


def test_captions_past_the_window_are_summed_up_in_groups_in_order_and_none_is_lost() -> None:
    backend = SumBackend(window=1000, told=1000)
    (row,) = sum_up(backend, captions(60, padding=10)).summaries
    assert row.text.split() == [f"n{number}" for number in range(60)]
    assert all(len(request.question.encode()) + 40 <= 1000 for request in backend.requests), "room for the answer"
    *groups, last = backend.requests
    assert len(groups) > 2
    assert all(SUMMARY_PART_PROMPT in request.question for request in groups)
    assert last.question.endswith(SUMMARY_PROMPT)
    assert (row.captions, row.requests) == (60, len(backend.requests))
    assert row.generated.prompt_tokens == 7 * len(backend.requests)
    assert "- 30:00]" in last.question, "a group spans the times of its captions"


def test_a_server_that_says_nothing_of_its_window_and_refuses_is_asked_in_shorter_prompts() -> None:
    backend = SumBackend(window=900, told=0)
    (row,) = sum_up(backend, captions(60, padding=10)).summaries
    assert row.text.split() == [f"n{number}" for number in range(60)]


def test_two_captions_that_fit_no_prompt_are_an_error_that_says_what_to_do_and_ends_soon() -> None:
    backend = SumBackend(window=1000, told=1000)
    with pytest.raises(ContextExceededError, match="max_new_tokens"):
        sum_up(backend, captions(20, padding=250))
    assert len(backend.requests) < 5
    silent = SumBackend(window=300, told=0)
    with pytest.raises(ContextExceededError, match="too long"):
        sum_up(silent, captions(20, padding=120))
    assert len(silent.requests) < 100


def test_every_caption_task_has_its_own_summary_where_it_asked_for_one() -> None:
    backend = SumBackend(window=100_000, told=100_000)
    said = (*captions(2), *captions(2, padding=1, task=2), *captions(2, padding=2, task=3))
    found = sum_up(backend, said, SUMMARISED, Ask("?"), Caption("briefly"), Caption("long", summary=True))
    assert [(row.task, row.captions) for row in found.summaries] == [(0, 2), (3, 2)]
    assert "n0\n" in backend.requests[0].question
    assert "n0 x x\n" in backend.requests[1].question


def test_images_have_no_summary() -> None:
    backend = SumBackend(window=1000, told=1000)
    interview = Interview(backend, Generation(), Cancellation())
    found = interview.sum_up((SUMMARISED,), (SegmentResult(0, None, None, ()),), captions(1))
    assert (found.summaries, backend.requests) == ((), [])


def test_stage_times_of_summaries_are_counted_and_a_cancelled_job_asks_for_none() -> None:
    backend = SumBackend(window=1000, told=1000)
    found = sum_up(backend, captions(60, padding=10))
    assert found.wait_s >= 0.2 - 1e-9, "rounds follow each other"
    cancellation = Cancellation()
    cancellation.cancel()
    asked = len(backend.requests)
    with pytest.raises(CancelledError):
        Interview(backend, Generation(), cancellation).sum_up((SUMMARISED,), segments(3), captions(3))
    assert len(backend.requests) == asked
