"""Answers held to a schema, and answers weighed: the same alone and in a batch, on both engines."""

import json
import math
from collections.abc import Iterator

import pytest
import torch

from pipelines.errors import PromptError
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.engine import SimpleEngine
from pipelines.model.internvl import InternVL
from pipelines.model.template import Conversation
from pipelines.model.types import Backend, ChatRequest, Weighed
from reelmill.schema import Generation
from reelmill.schema.json_schemas import misfit
from tests.unit.model.conftest import GOLDEN, Golden

LONG_S = 300
AMONG = ("red", "blue", "light green")
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}, "sides": {"enum": [3, 4, 5]}, "seen": {"type": "boolean"}},
    "required": ["colour", "sides", "seen"],
    "additionalProperties": False,
}
ASKED = ChatRequest("What is it?", json_schema=json.dumps(SCHEMA), generation=Generation(max_new_tokens=64))


@pytest.fixture(scope="module", params=["simple", "continuous"])
def engine(request: pytest.FixtureRequest, model: InternVL) -> Iterator[Backend]:
    engine = SimpleEngine(model) if request.param == "simple" else ContinuousEngine(model)
    yield engine
    engine.close()


def likelihood_by_hand(model: InternVL, question: str, answer: str) -> float:
    """One pass over prompt and answer, without any engine."""
    prompt, said = model.prompt_ids(Conversation(question), ()), model.answer_ids(answer)
    with torch.inference_mode():
        logits = model.network.language_model(torch.tensor([[*prompt, *said]])).logits[0].float()
    likely = logits.log_softmax(-1)
    return math.fsum(float(likely[len(prompt) + place - 1, token]) for place, token in enumerate(said))


def test_a_weighed_answer_has_the_likelihood_of_its_tokens_and_the_stop(model: InternVL, engine: Backend) -> None:
    # Sampling and penalties of the job say nothing about how likely an answer is.
    hot = Generation(do_sample=True, temperature=3.0, repetition_penalty=2.0, seed=1)
    futures = [engine.submit(ChatRequest("Colour?", weighed=Weighed(each, AMONG), generation=hot)) for each in AMONG]
    for answer, future in zip(AMONG, futures, strict=True):
        weighed = future.result(LONG_S)
        assert weighed.text == answer
        assert weighed.log_likelihood == pytest.approx(likelihood_by_hand(model, "Colour?", answer), abs=1e-3)


def test_weighing_and_schemas_leave_their_neighbours_as_they_are_alone(golden: Golden, engine: Backend) -> None:
    requests = [ASKED, *(golden.request(name) for name in golden.single[:2])]
    requests += [ChatRequest("Colour?", weighed=Weighed(each, AMONG)) for each in AMONG]
    alone = [engine.submit(request).result(LONG_S) for request in requests]
    together = [future.result(LONG_S) for future in [engine.submit(request) for request in requests]]
    assert [each.token_ids for each in together] == [each.token_ids for each in alone]
    assert [each.log_likelihood for each in together[3:]] == pytest.approx(
        [each.log_likelihood for each in alone[3:]], abs=1e-3
    )


@pytest.mark.parametrize("changes", [{}, {"do_sample": True, "seed": 7}, {"num_beams": 3}, {"repetition_penalty": 1.5}])
def test_whatever_the_settings_an_answer_is_of_its_schema(engine: Backend, changes: dict[str, object]) -> None:
    settings = Generation.model_validate({"max_new_tokens": 64, **changes})
    request = ChatRequest("What is it?", json_schema=json.dumps(SCHEMA), generation=settings)
    answer = engine.submit(request).result(LONG_S)
    assert answer.finish_reason == "stop"
    assert misfit(json.loads(answer.text), SCHEMA) is None


def test_a_schema_that_cannot_be_kept_is_an_error_of_that_request_alone(engine: Backend) -> None:
    odd = ChatRequest("?", json_schema=json.dumps({"type": "string", "contentEncoding": "base64", "not": {}}))
    failed, fine = engine.submit(odd), engine.submit(ASKED)
    assert isinstance(failed.exception(LONG_S), PromptError)
    assert json.loads(fine.result(LONG_S).text)


@pytest.mark.parametrize("case", ["internvl2_5-internlm2-ntk", "internvl2-phi3", "internvl2-llama"])
def test_every_kind_of_tokenizer_spells_json(case: str) -> None:
    engine = SimpleEngine(InternVL(load_checkpoint(str(GOLDEN / case), dtype="float32", device="cpu")))
    try:
        answer = engine.submit(ASKED).result(LONG_S)
        weighed = engine.submit(ChatRequest("Colour?", weighed=Weighed("red", AMONG))).result(LONG_S)
    finally:
        engine.close()
    assert misfit(json.loads(answer.text), SCHEMA) is None
    assert weighed.text == "red"
    assert weighed.log_likelihood is not None
    assert weighed.log_likelihood < 0
