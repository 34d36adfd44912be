"""Answers of a schema and of choices: the value and the probabilities, or why there are none."""

import math
from concurrent.futures import Future
from typing import Any

import pytest
from pydantic import BaseModel

from pipelines.analytics.forms import shares
from pipelines.analytics.interview import Interview
from pipelines.cancellation import Cancellation
from pipelines.model.types import ChatRequest, Completion
from reelmill.schema import AnswerResult, Ask, Generation
from reelmill.schema.errors import SpecError
from tests.unit.analytics.test_interview import EchoBackend, media, scenes_of


class Sign(BaseModel):
    text: str
    lines: int


class Weigher(EchoBackend):
    """Says how likely each choice is."""

    def __init__(self, **likely: float) -> None:
        super().__init__()
        self._likely = likely

    def submit(self, request: ChatRequest) -> Future[Completion]:
        self.requests.append(request)
        assert request.weighed is not None
        future: Future[Completion] = Future()
        said = request.weighed.answer
        likelihood = self._likely[said.strip("!")]
        future.set_result(Completion(said, said, (1, 2), 10, "stop", log_likelihood=likelihood))
        return future


def answers(backend: EchoBackend, task: Ask) -> tuple[AnswerResult, ...]:
    return Interview(backend, Generation(), Cancellation()).run([task], scenes_of(media(0))).answers


def test_an_answer_of_a_schema_has_its_value() -> None:
    backend = EchoBackend('{"text": "STOP", "lines": 1}')
    (answer,) = answers(backend, Ask("What does the sign say?", schema=Sign))
    assert Sign.model_validate(answer.value) == Sign(text="STOP", lines=1)
    assert (answer.problem, answer.text) == (None, '{"text": "STOP", "lines": 1}')
    (request,) = backend.requests
    assert request.json_schema is not None
    assert '"lines"' in request.json_schema
    assert request.json_schema in request.question, "the model reads the schema that it is held to"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("STOP", "not JSON"),
        ('{"text": "STOP", "lines": NaN}', "NaN"),
        ('{"text": "STOP", "lines": 1e999}', "1e999"),
        ('{"text": "STOP"}', "'lines' is a required property"),
    ],
)
def test_an_answer_that_is_not_of_the_schema_says_why_and_keeps_the_words(said: str, why: str) -> None:
    (answer,) = answers(EchoBackend(said), Ask("?", schema=Sign))
    assert (answer.value, answer.generated.raw_text) == (None, said)
    assert answer.problem is not None
    assert why in answer.problem


def test_the_likeliest_choice_is_the_answer_and_all_have_their_probability() -> None:
    backend = Weigher(yes=math.log(0.03), no=math.log(0.01))
    (answer,) = answers(backend, Ask("Is it raining?", choices=["no", "yes"]))
    assert (answer.text, answer.generated.output_tokens) == ("yes", 4)
    assert answer.probabilities == pytest.approx({"yes": 0.75, "no": 0.25})
    assert {request.question for request in backend.requests} == {
        "<image>\nIs it raining?\nAnswer with one of these and nothing else: no, yes"
    }


def test_questions_with_choices_keep_their_places() -> None:
    backend = Weigher(yes=-1.0, no=-2.0)
    found = answers(backend, Ask("A?", "B?", choices=["yes", "no"]))
    assert [(answer.ordinal, answer.question, answer.text) for answer in found] == [(0, "A?", "yes"), (1, "B?", "yes")]


def test_a_turn_with_choices_is_followed_by_what_was_chosen() -> None:
    backend = Weigher(yes=-1.0, no=-2.0)
    answers(backend, Ask("A?", "B?", choices=["yes", "no"], conversation=True))
    assert [said for _, said in backend.requests[-1].history] == ["yes"]


def test_impossible_choices_are_a_problem_and_no_answer() -> None:
    (answer,) = answers(Weigher(yes=-math.inf, no=-math.inf), Ask("A?", choices=["yes", "no"]))
    assert (answer.text, answer.probabilities) == ("", None)
    assert answer.problem is not None


def test_shares_of_tiny_likelihoods_still_sum_to_one() -> None:
    assert shares([-5000.0, -5000.0 + math.log(3)]) == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"schema": {"type": "objekt"}}, "not a JSON schema"),
        ({"schema": {"$ref": "http://169.254.169.254/"}}, "leads out of the schema"),
        ({"choices": ["yes"]}, "at least 2"),
        ({"choices": ["yes", " yes "]}, "the same"),
        ({"choices": ["yes", "no"], "schema": {"type": "string"}}, "not both"),
    ],
)
def test_forms_that_no_answer_can_have_are_refused_at_once(form: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        Ask("?", **form)


def test_plain_questions_are_stored_as_older_workers_read_them() -> None:
    assert Ask("?").model_dump(mode="json") == {"kind": "ask", "questions": ["?"], "conversation": False}
