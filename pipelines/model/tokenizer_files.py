"""tokenizer_config.json and what older checkpoints have beside it: the tokens beyond a tokenizer's vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import CheckpointError
from pipelines.model.section import Section, read_object

_ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_DEFAULT_CLASSES = {
    "qwen2": "Qwen2Tokenizer",
    "internlm2": "InternLM2Tokenizer",
    "internlm3": "InternLM3Tokenizer",
    "llama": "LlamaTokenizer",
    "phi3": "LlamaTokenizer",
}
_DEFAULT_ROLES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A token that text is split at before anything else.

    Attributes:
        eats_left, eats_right: whether white space before or after it vanishes (`lstrip`, `rstrip`).
    """

    text: str
    special: bool = True
    eats_left: bool = False
    eats_right: bool = False


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """What the files say. `roles` maps bos_token, eos_token, … to their texts; `named` are all tokens named special."""

    directory: Path
    class_name: str
    added: Mapping[int, AddedToken]
    roles: Mapping[str, str]
    named: tuple[str, ...]
    config: Section

    def has(self, *names: str) -> bool:
        """Whether all these files are there."""
        return all((self.directory / name).is_file() for name in names)


def read_tokenizer_files(directory: Path, family: str) -> TokenizerFiles:
    """Read them for a language model of `family`, which decides where the files do not name a tokenizer.

    Raises:
        CheckpointError: not JSON, or values of another type.
    """
    file = directory / "tokenizer_config.json"
    data = _optional(file)
    names = {**_optional(directory / "special_tokens_map.json"), **data}
    config = Section(data, file)
    class_name = config.get("tokenizer_class", str, _DEFAULT_CLASSES[family]).removesuffix("Fast")
    fallback = {} if class_name == "PreTrainedTokenizer" else _DEFAULT_ROLES
    roles = {role: _text(names.get(role, fallback.get(role)), file) for role in _ROLES}
    held = {role: text for role, text in roles.items() if text is not None}
    named = tuple(dict.fromkeys((*held.values(), *_additional(names, file))))
    return TokenizerFiles(directory, class_name, _added(directory, data, named), held, named, config)


def _added(directory: Path, data: Mapping[str, Any], named: tuple[str, ...]) -> dict[int, AddedToken]:
    if "added_tokens_decoder" in data:
        file = directory / "tokenizer_config.json"
        listed = Section(data, file).need("added_tokens_decoder", dict)
        return {_id(number, file): _token(entry, file) for number, entry in listed.items()}
    file = directory / "added_tokens.json"
    return {_id(number, file): AddedToken(text, special=text in named) for text, number in _optional(file).items()}


def _token(entry: object, file: Path) -> AddedToken:
    if not isinstance(entry, dict):
        raise CheckpointError(f"`added_tokens_decoder` holds {entry!r}, which is no token", subject=str(file))
    section = Section(entry, file, "added_tokens_decoder.")
    return AddedToken(
        text=section.need("content", str),
        special=section.get("special", bool, False),
        eats_left=section.get("lstrip", bool, False),
        eats_right=section.get("rstrip", bool, False),
    )


def _additional(names: Mapping[str, Any], file: Path) -> list[str]:
    listed = names.get("additional_special_tokens") or names.get("extra_special_tokens") or []
    values = listed.values() if isinstance(listed, dict) else listed
    return [text for value in values if (text := _text(value, file)) is not None]


def _text(value: object, file: Path) -> str | None:
    """A token as files write it: a text, or an object that holds one."""
    if isinstance(value, dict):
        value = value.get("content")
    if value is not None and not isinstance(value, str):
        raise CheckpointError(f"names {value!r} as a token", subject=str(file))
    return value


def _id(value: object, file: Path) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise CheckpointError(f"gives a token the id {value!r}", subject=str(file)) from None


def _optional(file: Path) -> Mapping[str, Any]:
    return read_object(file) if file.is_file() else {}
