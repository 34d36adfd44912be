"""Past the trained window rope follows length: the same whatever came before, and whoever is in the batch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks._golden import GoldenCase
from pipelines.errors import CheckpointError, ContextExceededError
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.config import read_config
from pipelines.model.engine import SimpleEngine
from pipelines.model.internvl import InternVL
from pipelines.model.rope import RopeShape
from pipelines.model.schedule import Ticket, next_batch
from pipelines.model.types import ChatRequest
from reelmill.schema.tasks import Generation

from .conftest import GOLDEN

Copy = Callable[..., Path]
NTK = "internvl2_5-internlm2-ntk"
DYNAMIC = RopeShape("dynamic", 1e6, 2.0, positions=128, trained_tokens=128, context_tokens=256)
LONG = RopeShape("longrope", 1e4, 32.0, positions=4096, trained_tokens=128, context_tokens=4096)


def load(directory: Path) -> InternVL:
    return InternVL(load_checkpoint(str(directory), device="cpu"))


@pytest.fixture(scope="module")
def ntk() -> InternVL:
    return load(GOLDEN / NTK)


@pytest.fixture
def short_phi3(copy_of: Copy) -> InternVL:
    """Phi-3 whose trained window is 40 tokens, so that recorded prompts pass it."""
    return load(copy_of("internvl2-phi3", llm_config={"original_max_position_embeddings": 40}))


def ask(model: InternVL, questions: list[str], max_new_tokens: int = 24) -> list[tuple[int, ...]]:
    engine = SimpleEngine(model)
    requests = [ChatRequest(question, generation=Generation(max_new_tokens=max_new_tokens)) for question in questions]
    said = [future.result(60).token_ids for future in [engine.submit(request) for request in requests]]
    engine.close()
    return said


def test_frequencies_are_fixed_inside_the_trained_window_and_a_matter_of_length_past_it() -> None:
    assert DYNAMIC.stretch(100, 28) == "within"
    assert DYNAMIC.stretch(100, 29) == "own"
    assert DYNAMIC.stretch(200, 1) == "own"
    assert LONG.stretch(100, 28) == "within"
    assert LONG.stretch(128, 1) == "own"
    assert LONG.stretch(129, 1) == "beyond"
    assert RopeShape("default", 1e4, 1.0, 128, 128, 128).stretch(1000, 1000) == "within"


def test_only_requests_of_one_stretch_share_a_batch_and_what_is_its_own_runs_alone() -> None:
    def ticket(stretch: Any) -> Ticket:
        return Ticket((1, 2), None, Generation(), 8, None, Future(), 0.0, stretch)

    waiting = [ticket(stretch) for stretch in ("within", "beyond", "own", "within", "beyond", "own")]
    assert next_batch(waiting, 8) == [waiting[0], waiting[3]]
    assert next_batch(waiting[1:], 8) == [waiting[1], waiting[4]]
    assert next_batch(waiting[2:], 8) == [waiting[2]]


def test_dynamic_rope_forgets_what_came_before(ntk: InternVL) -> None:
    recorded = GoldenCase(GOLDEN / NTK)
    (beyond,), (crossing,), (within,) = (recorded.rows(name) for name in ("history_clean", "text_round2", "text"))
    engine = SimpleEngine(ntk)
    for row in (beyond, crossing, within, crossing, beyond, within):
        assert engine.submit(row.request()).result(60).token_ids == row.generated_ids
    engine.close()


def test_longrope_answers_alone_as_in_company(short_phi3: InternVL) -> None:
    questions = ["Hi", "Hello, who are you and what can you see in this picture of a red panda?", "And now?"]
    alone = [ask(short_phi3, [question])[0] for question in questions]
    assert ask(short_phi3, questions) == alone
    assert ask(short_phi3, questions[::-1]) == alone[::-1]


def test_longrope_keeps_cached_keys_when_the_window_is_passed(copy_of: Copy) -> None:
    """As the published model does: tokens past the window turn by the long factors, older keys stay as they were."""
    question = "Hello"
    directory = copy_of("internvl2-phi3")
    prompt = len(ask_ids(load(directory), question))
    config = json.loads((directory / "config.json").read_bytes())
    config["llm_config"]["original_max_position_embeddings"] = prompt + 3
    (directory / "config.json").write_text(json.dumps(config))
    model = load(directory)
    assert list(ask(model, [question], 12)[0]) == stepped(model, question, 12)


def ask_ids(model: InternVL, question: str) -> list[int]:
    from pipelines.model.template import Conversation

    return model.prompt_ids(Conversation(question), ())


@torch.inference_mode()
def stepped(model: InternVL, question: str, tokens: int) -> list[int]:
    """Greedy decoding by hand: one token after the other over one cache that nothing is taken out of."""
    network: Any = model.network.language_model
    embeddings = model.embed(ask_ids(model, question), None).unsqueeze(0)
    output = network(inputs_embeds=embeddings, use_cache=True)
    said = [int(output.logits[0, -1].argmax())]
    for place in range(embeddings.shape[1], embeddings.shape[1] + tokens - 1):
        output = network(
            input_ids=torch.tensor([said[-1:]]),
            past_key_values=output.past_key_values,
            position_ids=torch.tensor([[place]]),
            use_cache=True,
        )
        said.append(int(output.logits[0, -1].argmax()))
    return said[: said.index(model.tokenizer.stop_id) + 1] if model.tokenizer.stop_id in said else said


def test_the_published_scaling_of_phi3_attention() -> None:
    rotary = load(GOLDEN / "internvl2-phi3").network.language_model.model.rotary_emb
    assert rotary.attention_scaling == pytest.approx(math.sqrt(1 + math.log(32) / math.log(4096)))


def test_a_prompt_past_the_window_names_the_numbers_and_the_way_out(ntk: InternVL) -> None:
    assert ntk.info.context_tokens == 256
    with pytest.raises(ContextExceededError, match=r"prompt of \d{3} tokens .* window of 256") as raised:
        ntk.chat(None, "on and on " * 100, {"max_new_tokens": 4})
    assert "segments or tiles (4 tokens each)" in raised.value.next_step


def test_past_the_window_is_answered_where_the_user_allows_it() -> None:
    model = InternVL(load_checkpoint(str(GOLDEN / NTK), device="cpu"), past_window=True)
    said, history = model.chat(None, "on and on " * 100, {"max_new_tokens": 4}, return_history=True)
    assert history[-1][1] == said


@pytest.mark.parametrize(
    ("scaling", "complaint"),
    [
        ({"type": "spiral", "factor": 4.0}, "spiral"),
        ({"type": "yarn"}, r"rope_scaling\.factor"),
        ({"type": "dynamic"}, r"rope_scaling\.factor"),
        ({"type": "dynamic", "factor": 0.5}, "below 1"),
        (
            {"type": "su", "long_factor": [1.0], "short_factor": [1.0], "original_max_position_embeddings": 64},
            "entries",
        ),
    ],
)
def test_scaling_that_cannot_be_is_refused_by_name(copy_of: Copy, scaling: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        read_config(copy_of(NTK, llm_config={"rope_scaling": scaling}))


@pytest.mark.parametrize("kind", ["linear", "dynamic"])
def test_the_published_qwen2_turns_plainly_whatever_its_config_asks_for(copy_of: Copy, kind: str) -> None:
    """transformers 4.37, which the checkpoints name, has no rope scaling for it: recordings stay true with any."""
    changes = {"max_position_embeddings": 64, "rope_scaling": {"type": kind, "factor": 2.0}}
    directory = copy_of("internvl2_5-qwen2", llm_config=changes)
    model = InternVL(load_checkpoint(str(directory), dtype="float32", device="cpu"), past_window=True)
    assert model.info.context_tokens == 64
    recorded = GoldenCase(GOLDEN / "internvl2_5-qwen2")
    rows = [recorded.rows(name)[0] for name in ("history_clean", "single_image_other", "text_round2")]
    assert max(len(row.input_ids) for row in rows) > 128
    for row in rows:
        said = SimpleEngine(model)
        assert said.submit(row.request()).result(60).token_ids == row.generated_ids
        said.close()


YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 512,
}


def wavelengths(pairs: int, theta: float) -> list[float]:
    return [2 * math.pi * theta ** (pair / pairs) for pair in range(pairs)]


def test_yarn_stretches_long_waves_and_keeps_short_ones(copy_of: Copy) -> None:
    """Against the YaRN paper: waves that turn 32 times in the trained window stay, those that turn less than once
    are stretched by the factor, between them a ramp over the pairs; attention is scaled by 0.1 ln s + 1."""
    model = load(copy_of("internvl2_5-qwen2", llm_config={"rope_scaling": YARN, "max_position_embeddings": 1024}))
    rotary, rope = model.network.language_model.model.rotary_emb, model.config.text.rope
    pairs = model.config.text.head_dimension // 2

    def place(turns: float) -> float:
        return pairs * math.log(1024 / (turns * 2 * math.pi)) / math.log(rope.theta)

    first, last = math.floor(place(32)), math.ceil(place(1))
    stretched = [min(1.0, max(0.0, (pair - first) / (last - first))) for pair in range(pairs)]
    plain = [2 * math.pi / wave for wave in wavelengths(pairs, rope.theta)]
    expected = [one * (1 - share) + one / 4 * share for one, share in zip(plain, stretched, strict=True)]
    torch.testing.assert_close(rotary.inv_freq, torch.tensor(expected))
    assert rotary.attention_scaling == pytest.approx(0.1 * math.log(4) + 1)
    assert (model.info.context_tokens, rope.stretch(3000, 500)) == (4096, "within")


def test_llama3_stretches_by_wavelength(copy_of: Copy) -> None:
    """Against Meta's description: waves shorter than window / 4 stay, longer than the window are stretched, between
    them the two are blended by how many of them fit into the window."""
    changes = {"rope_scaling": LLAMA3, "max_position_embeddings": 4096}
    model = load(copy_of("internvl2-llama", llm_config=changes))
    rope = model.config.text.rope
    expected = []
    for wave in wavelengths(model.config.text.head_dimension // 2, rope.theta):
        kept = min(1.0, max(0.0, (512 / wave - 1.0) / (4.0 - 1.0)))
        expected.append(kept * 2 * math.pi / wave + (1 - kept) * 2 * math.pi / wave / 8)
    torch.testing.assert_close(model.network.language_model.model.rotary_emb.inv_freq, torch.tensor(expected))
    assert model.info.context_tokens == 4096
