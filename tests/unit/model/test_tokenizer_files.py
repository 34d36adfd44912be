"""Tokenizers that no recorded case has: a Llama-3 tokenizer.json alone, InternLM3's, and older files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers
from sentencepiece import SentencePieceProcessor
from tokenizers import decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from pipelines.errors import CheckpointError
from pipelines.model.template import find_template
from pipelines.model.tokenizer import load_tokenizer

from .conftest import CASE, GOLDEN

Copy = Callable[..., Path]
HERMES = find_template("Hermes-2")
TEXTS = [
    "Hello, who are you?",
    " two  spaces\n\nand a newline ",
    "你好，世界 😀",
    "<|im_start|>user\nhi<|im_end|><img><IMG_CONTEXT></img> x",
    "a <ref>cat</ref> .",
    "",
]


@pytest.fixture(scope="module")
def llama3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer.json that puts <|begin_of_text|> in front, as Llama-3's does."""
    directory = tmp_path_factory.mktemp("llama3")
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet))
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|im_start|>", "<|im_end|>"])
    start = ("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))
    tokenizer.post_processor = processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[start])
    tokenizer.save(str(directory / "tokenizer.json"))
    size = tokenizer.get_vocab_size()
    added = {str(size + n): token for n, token in enumerate(("<img>", "</img>", "<IMG_CONTEXT>", "<ref>", "</ref>"))}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|begin_of_text|>",
        "eos_token": "<|im_end|>",
        "clean_up_tokenization_spaces": True,
        "added_tokens_decoder": {n: {"content": token, "special": True} for n, token in added.items()},
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory


def test_a_tokenizer_json_alone_gives_what_transformers_gives(llama3: Path) -> None:
    ours = load_tokenizer(llama3, "llama", HERMES)
    # Up to version 4 transformers tidied these texts, and so did the published models; since then it must be asked to.
    tidy = {"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": True}
    theirs = PreTrainedTokenizerFast.from_pretrained(str(llama3), **tidy)
    for text in TEXTS:
        ids = theirs(text)["input_ids"]
        assert ours.encode(text) == ids, text
        published = theirs.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)
        assert ours.decode(ids) == published, text
    assert ours.encode("Hi")[0] == theirs.bos_token_id
    assert ours.stop_id == theirs.convert_tokens_to_ids("<|im_end|>")


def test_added_tokens_with_other_ids_than_the_file_are_refused(llama3: Path, tmp_path: Path) -> None:
    config = json.loads((llama3 / "tokenizer_config.json").read_bytes())
    config["added_tokens_decoder"] = {"999": {"content": "<img>", "special": True}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.json").write_bytes((llama3 / "tokenizer.json").read_bytes())
    with pytest.raises(CheckpointError, match=r"<img> another id .* \(999\)"):
        load_tokenizer(tmp_path, "llama", HERMES)


def rewrite(file: Path, **changes: object) -> None:
    data = json.loads(file.read_bytes()) | changes
    file.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


def test_internlm3_leaves_prefixes_to_sentencepiece_and_puts_no_spaces(copy_of: Copy) -> None:
    directory = copy_of("internvl2-llama")
    rewrite(directory / "tokenizer_config.json", tokenizer_class="InternLM3Tokenizer", add_bos_token=True)
    pieces = SentencePieceProcessor(model_file=str(directory / "tokenizer.model"))
    ours = load_tokenizer(directory, "internlm3", HERMES)
    image = ours.encode("<img>")[-1]
    expected = [1, *pieces.encode("Hello, who"), image, *pieces.encode(" are you")]
    assert ours.encode("Hello, who<img> are you") == expected
    assert ours.decode(expected) == "Hello, who are you"


def test_added_tokens_in_a_file_of_their_own_are_the_same_tokenizer(copy_of: Copy) -> None:
    directory = copy_of("internvl2_5-internlm2-ntk")
    facts = json.loads((GOLDEN / "internvl2_5-internlm2-ntk" / "golden.json").read_bytes())
    listed = json.loads((directory / "tokenizer_config.json").read_bytes())["added_tokens_decoder"]
    (directory / "added_tokens.json").write_text(json.dumps({row["content"]: int(n) for n, row in listed.items()}))
    rewrite(directory / "tokenizer_config.json", added_tokens_decoder=None)
    tokenizer = load_tokenizer(directory, "internlm2", find_template("internvl2_5"))
    for probe in facts["tokenizer_probes"]:
        assert tokenizer.encode(probe["text"]) == probe["input_ids"]
        assert tokenizer.decode(probe["input_ids"]) == probe["decoded_skip_special"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tokenizer_class": "T5Tokenizer"}, "T5Tokenizer"),
        ({"added_tokens_decoder": {"one": {"content": "<img>"}}}, "'one'"),
        ({"added_tokens_decoder": {"1": "<img>"}}, "no token"),
        ({"bos_token": 1}, "names 1 as a token"),
        ({"legacy": "no"}, "legacy"),
    ],
)
def test_files_that_cannot_be_right_are_refused(copy_of: Copy, changes: dict[str, object], complaint: str) -> None:
    directory = copy_of("internvl2-llama")
    rewrite(directory / "tokenizer_config.json", **changes)
    with pytest.raises(CheckpointError, match=complaint):
        load_tokenizer(directory, "llama", HERMES)


def test_a_broken_sentencepiece_model_is_refused(copy_of: Copy) -> None:
    directory = copy_of("internvl2-llama")
    (directory / "tokenizer.model").write_bytes(b"not a model")
    with pytest.raises(CheckpointError, match=r"tokenizer\.model: is not a sentencepiece model"):
        load_tokenizer(directory, "llama", HERMES)


def test_merges_of_another_tokenizer_are_refused(copy_of: Copy) -> None:
    directory = copy_of(CASE.name)
    rewrite(directory / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
    with pytest.raises(CheckpointError, match="GPT2Tokenizer"):
        load_tokenizer(directory, "qwen2", find_template("internvl2_5"))
