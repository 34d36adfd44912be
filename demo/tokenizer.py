"""A small byte-level BPE in the original Qwen2 file layout, trained on what the shapes world says."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import ByteLevel

from demo.corpus import corpus

VOCABULARY_SIZE = 1000
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
PLAIN_TOKENS = (
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
    "<|repo_name|>", "<|file_sep|>",
)  # fmt: skip
VISION_TOKENS = (
    "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>",
)  # fmt: skip
NUMBER_TOKENS = tuple(str(number) for number in range(10, 1001, 10))
"""Corners of boxes, one token each: a box is a third as long as with a token per digit, and near numbers are alike."""
ADDED_TOKENS = (*SPECIAL_TOKENS, *PLAIN_TOKENS, *VISION_TOKENS, *NUMBER_TOKENS)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def train_tokenizer(seed: int = 0, vocabulary_size: int = VOCABULARY_SIZE) -> Tokenizer:
    """Byte-level BPE with Qwen2's splitting; merges first, the added tokens behind them."""
    tokenizer = _bare(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - len(ADDED_TOKENS), initial_alphabet=ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus(random.Random(seed)), trainer)
    return _with_added(tokenizer, ADDED_TOKENS)


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer back from its vocab.json and merges.txt."""
    vocabulary = json.loads((folder / "vocab.json").read_text())
    lines = (folder / "merges.txt").read_text().splitlines()[1:]
    merges = [(left, right) for left, right in (line.split(" ") for line in lines if line)]
    added: dict[str, int] = json.loads((folder / "added_tokens.json").read_text())
    return _with_added(_bare(models.BPE(vocab=vocabulary, merges=merges)), sorted(added, key=added.__getitem__))


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the five files of the original slow Qwen2 tokenizer."""
    model = json.loads(tokenizer.to_str())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    _write(folder / "vocab.json", json.dumps(model["vocab"], ensure_ascii=False))
    _write(folder / "merges.txt", "#version: 0.2\n" + "".join(f"{merge}\n" for merge in merges))
    ids = {token: token_id(tokenizer, token) for token in ADDED_TOKENS}
    _write(folder / "added_tokens.json", _pretty(ids))
    _write(folder / "special_tokens_map.json", _pretty(_special_tokens_map()))
    _write(folder / "tokenizer_config.json", _pretty(_tokenizer_config(ids)))


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that must exist."""
    number = tokenizer.token_to_id(token)
    if number is None:
        raise KeyError(token)
    return int(number)


def _bare(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _with_added(tokenizer: Tokenizer, tokens: Sequence[str]) -> Tokenizer:
    for token in tokens:
        added = AddedToken(token, special=_is_special(token), normalized=False)
        (tokenizer.add_special_tokens if _is_special(token) else tokenizer.add_tokens)([added])
    return tokenizer


def _is_special(token: str) -> bool:
    return token not in PLAIN_TOKENS and token not in NUMBER_TOKENS


def _special_tokens_map() -> dict[str, object]:
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return {
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "eos_token": {"content": "<|im_end|>", **flags},
        "pad_token": {"content": "<|endoftext|>", **flags},
    }


def _tokenizer_config(ids: dict[str, int]) -> dict[str, object]:
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    decoder = {str(number): {"content": token, **flags, "special": _is_special(token)} for token, number in ids.items()}
    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": decoder,
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "bos_token": None,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 4096,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
