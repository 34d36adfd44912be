"""Every recorded case: the published model's features, logits, ids and texts, alone and all together."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks._golden import GoldenCase
from benchmarks.parity import compare
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.config import CheckpointConfig, read_config
from pipelines.model.internvl import InternVL
from pipelines.model.template import find_template
from pipelines.model.tokenizer import ChatTokenizer, load_tokenizer

from .conftest import GOLDEN

COMPLETE = Path(os.environ.get("REELMILL_TEST_GOLDEN", GOLDEN))
RECORDED = sorted(file.parent for file in {*GOLDEN.glob("*/golden.json"), *COMPLETE.glob("*/golden.json")})
LOADABLE = [case for case in RECORDED if (case / "model.safetensors").exists()]


def named(case: Path) -> str:
    return case.name


@pytest.fixture(params=RECORDED, ids=named)
def case(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def tokenizer_of(case: Path) -> ChatTokenizer:
    config = read_config(case)
    return load_tokenizer(case, config.text.family, find_template(config.template))


@pytest.mark.parametrize("case", LOADABLE, ids=named)
def test_recorded_conversations_come_out_alone_and_together(case: Path) -> None:
    tally = compare(GoldenCase(case), "cpu")
    assert tally.conversations == 17
    assert (tally.prompt_equal, tally.ids_equal, tally.text_equal) == (17, 17, 17)
    assert tally.max_abs_features <= 2e-5
    assert tally.max_abs_logits <= 2e-4


def test_recorded_texts_become_the_ids_of_the_published_tokenizer(case: Path) -> None:
    tokenizer, facts = tokenizer_of(case), json.loads((case / "golden.json").read_bytes())
    for probe in facts["tokenizer_probes"]:
        assert tokenizer.encode(probe["text"]) == probe["input_ids"], probe["text"]
        assert tokenizer.decode_raw(probe["input_ids"]) == probe["decoded"], probe["text"]
        assert tokenizer.decode(probe["input_ids"]) == probe["decoded_skip_special"], probe["text"]
    for probe in facts["decode_probes"]:
        assert tokenizer.decode(probe["ids"]) == probe["decoded_skip_special"]
    assert len(tokenizer) == facts["len_tokenizer"]
    assert tokenizer.stop_id == facts["eos_token_id"]


def test_recorded_prompts_become_the_recorded_ids(case: Path) -> None:
    tokenizer, facts = tokenizer_of(case), json.loads((case / "golden.json").read_bytes())
    for name, conversation in facts["conversations"].items():
        prompts = conversation.get("prompts") or [conversation["prompt"]]
        masks = conversation["attention_mask"]
        for row, prompt in enumerate(prompts):
            ids = conversation["input_ids"][row]
            kept = ids if masks == "all ones" else [token for token, real in zip(ids, masks[row], strict=True) if real]
            assert tokenizer.encode(prompt) == kept, name


def test_the_published_use_cache_false_does_not_turn_the_cache_off() -> None:
    case = GOLDEN / "internvl3-qwen2"
    assert json.loads((case / "config.json").read_bytes())["llm_config"]["use_cache"] is False
    config: CheckpointConfig = read_config(case)
    assert build(config).config.use_cache is True


def build(config: CheckpointConfig) -> Any:
    from pipelines.model.language_model import build_language_model

    return build_language_model(config.text, "sdpa")


def test_internlm3_is_llama_shaped(copy_of: Callable[..., Path]) -> None:
    directory = copy_of("internvl2-llama", llm_config={"model_type": "internlm3", "bias": False, "qkv_bias": False})
    recorded = GoldenCase(GOLDEN / "internvl2-llama")
    model = InternVL(load_checkpoint(str(directory), device="cpu"))
    (row,) = recorded.rows("single_image")
    said = model.chat(row.tiles, row.question, {"max_new_tokens": 24})
    assert model.info.family == "internlm3"
    assert said == row.response


def test_tied_internlm2_reads_its_head_from_the_embeddings(copy_of: Callable[..., Path]) -> None:
    from safetensors.torch import load_file, save_file

    embedding, head = "language_model.model.tok_embeddings.weight", "language_model.output.weight"
    directory = copy_of("internvl2_5-internlm2-ntk")
    tensors = load_file(directory / "model.safetensors")
    save_file({**tensors, head: tensors[embedding].clone()}, directory / "model.safetensors")
    untied = InternVL(load_checkpoint(str(directory), device="cpu")).chat(None, "Hello", {"max_new_tokens": 12})
    del tensors[head]
    save_file(tensors, directory / "model.safetensors")
    config = json.loads((directory / "config.json").read_bytes())
    config["llm_config"]["tie_word_embeddings"] = True
    (directory / "config.json").write_text(json.dumps(config))
    assert InternVL(load_checkpoint(str(directory), device="cpu")).chat(None, "Hello", {"max_new_tokens": 12}) == untied
