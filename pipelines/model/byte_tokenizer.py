"""Byte-level tokenizers: Qwen2's vocabulary and merges, and any tokenizer.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tokenizers
from transformers import Qwen2Tokenizer

from pipelines.errors import CheckpointError
from pipelines.model.tokenizer_files import TokenizerFiles


class MergesTokenizer:
    """vocab.json with merges.txt, read by transformers' Qwen2 tokenizer."""

    def __init__(self, files: TokenizerFiles) -> None:
        if files.class_name != "Qwen2Tokenizer":
            raise CheckpointError(
                f"the tokenizer is a {files.class_name}; with vocab.json and merges.txt only Qwen2Tokenizer loads",
                subject=str(files.directory),
            )
        try:
            self._tokenizer: Any = Qwen2Tokenizer.from_pretrained(
                str(files.directory), trust_remote_code=False, local_files_only=True
            )
        except Exception as error:  # the library raises whatever its parsers raise
            raise CheckpointError(f"the tokenizer cannot be read ({error})", subject=str(files.directory)) from error
        self._added: dict[str, int] = self._tokenizer.get_added_vocab()
        self.named_ids = frozenset(int(number) for number in self._tokenizer.all_special_ids)

    def __len__(self) -> int:
        return len(self._tokenizer)

    def token_id(self, text: str) -> int | None:
        """The id of an added token."""
        return self._added.get(text)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`."""
        return list(self._tokenizer(text, verbose=False)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def spelling(self) -> str:
        """Its tokenizer.json, as it would be."""
        return str(self._tokenizer.backend_tokenizer.to_str())


class FileTokenizer:
    """A tokenizer.json as it is (Llama-3), with the tokens that tokenizer_config.json adds to it."""

    def __init__(self, files: TokenizerFiles) -> None:
        file = files.directory / "tokenizer.json"
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise CheckpointError(f"cannot be read ({error})", subject=str(file)) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._complete(files)
        added = self._tokenizer.get_added_tokens_decoder()
        self._added = {token.content: number for number, token in added.items()}
        # A published tokenizer of this class alone is a fast one, which leaves out all that is marked special.
        by_name = files.class_name != "PreTrainedTokenizer" and bool(files.named)
        self.named_ids = frozenset(
            number for number, token in added.items() if (token.content in files.named if by_name else token.special)
        )

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def token_id(self, text: str) -> int | None:
        """The id of an added token."""
        return self._added.get(text)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, with what the file's post-processor puts at its ends."""
        return list(self._tokenizer.encode(text).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def spelling(self) -> str:
        """Its tokenizer.json, with what was added."""
        return str(self._tokenizer.to_str())

    def _complete(self, files: TokenizerFiles) -> None:
        known = {token.content for token in self._tokenizer.get_added_tokens_decoder().values()}
        for number, token in sorted(files.added.items()):
            if token.text in known:
                continue
            self._tokenizer.add_tokens(
                [
                    tokenizers.AddedToken(
                        token.text,
                        lstrip=token.eats_left,
                        rstrip=token.eats_right,
                        normalized=False,
                        special=token.special,
                    )
                ]
            )
            if self._tokenizer.token_to_id(token.text) != number:
                raise CheckpointError(
                    f"tokenizer.json gives {token.text} another id than tokenizer_config.json ({number})",
                    subject=str(files.directory),
                )
