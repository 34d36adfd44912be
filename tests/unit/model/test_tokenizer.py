"""Ids and texts are those of the published slow tokenizer."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import CheckpointError
from pipelines.model.template import find_template
from pipelines.model.tokenizer import ChatTokenizer, load_tokenizer

from .conftest import CASE, Golden

TEMPLATE = find_template("internvl2_5")


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return load_tokenizer(CASE, "qwen2", TEMPLATE)


def test_recorded_texts_become_the_recorded_ids(tokenizer: ChatTokenizer, golden: Golden) -> None:
    for probe in golden.facts["tokenizer_probes"]:
        assert tokenizer.encode(probe["text"]) == probe["input_ids"], probe["text"]
        assert tokenizer.decode_raw(probe["input_ids"]) == probe["decoded"], probe["text"]


def test_recorded_prompts_become_the_recorded_ids(tokenizer: ChatTokenizer, golden: Golden) -> None:
    for name in golden.single:
        facts = golden.conversation(name)
        assert tokenizer.encode(facts["prompt"]) == facts["input_ids"][0], name


def test_recorded_ids_become_the_recorded_texts(tokenizer: ChatTokenizer, golden: Golden) -> None:
    for probe in golden.facts["decode_probes"]:
        assert tokenizer.decode(probe["ids"]) == probe["decoded_skip_special"]


def test_grounding_markers_survive_decoding_and_the_stop_token_does_not(tokenizer: ChatTokenizer) -> None:
    ids = tokenizer.encode("<ref>a</ref><box>[[1, 2, 3, 4]]</box><|im_end|>")
    assert tokenizer.decode(ids) == "<ref>a</ref><box>[[1, 2, 3, 4]]</box>"
    assert tokenizer.decode_raw(ids) == "<ref>a</ref><box>[[1, 2, 3, 4]]</box><|im_end|>"
    assert ids[-1] == tokenizer.stop_id


def test_a_tokenizer_json_alone_gives_the_same_ids(
    copy_checkpoint: Callable[..., Path], tokenizer: ChatTokenizer, golden: Golden
) -> None:
    directory = copy_checkpoint()
    tokenizer._tokenizer._tokenizer.backend_tokenizer.save(str(directory / "tokenizer.json"))
    for name in ("vocab.json", "merges.txt"):
        (directory / name).unlink()
    loaded = load_tokenizer(directory, "qwen2", TEMPLATE)
    for probe in golden.facts["tokenizer_probes"]:
        assert loaded.encode(probe["text"]) == probe["input_ids"]


@pytest.mark.parametrize("token", ["<img>", "</img>", "<IMG_CONTEXT>", "<|im_end|>"])
def test_a_tokenizer_without_an_image_or_stop_token_is_refused(
    copy_checkpoint: Callable[..., Path], token: str
) -> None:
    directory = copy_checkpoint()
    for name in ("tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"):
        text = (directory / name).read_text().replace(json.dumps(token), '"<other>"')
        (directory / name).write_text(text)
    with pytest.raises(CheckpointError, match=f"no token {token.replace('|', '.')}"):
        load_tokenizer(directory, "qwen2", TEMPLATE)


def test_missing_tokenizer_files_are_named(copy_checkpoint: Callable[..., Path]) -> None:
    directory = copy_checkpoint()
    (directory / "merges.txt").unlink()
    with pytest.raises(CheckpointError, match=r"merges\.txt"):
        load_tokenizer(directory, "qwen2", TEMPLATE)


def test_a_broken_tokenizer_file_is_refused(copy_checkpoint: Callable[..., Path]) -> None:
    directory = copy_checkpoint()
    (directory / "vocab.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_tokenizer(directory, "qwen2", TEMPLATE)
