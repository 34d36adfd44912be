"""The checkpoint's tokenizer: ids as published, without remote code and without a question on stdin."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pipelines.errors import CheckpointError
from pipelines.model.byte_tokenizer import FileTokenizer, MergesTokenizer
from pipelines.model.grammar import Grammars, Spelling
from pipelines.model.sentencepiece_tokenizer import SentencePieceTokenizer, tidied
from pipelines.model.template import IMAGE_CONTEXT, IMAGE_END, IMAGE_START, Template
from pipelines.model.tokenizer_files import TokenizerFiles, read_tokenizer_files


class TextTokenizer(Protocol):
    """Text to ids and back, as one published tokenizer does it."""

    @property
    def named_ids(self) -> frozenset[int]:
        """Ids that decoding without special tokens leaves out."""
        ...

    def __len__(self) -> int: ...

    def token_id(self, text: str) -> int | None: ...

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def spelling(self) -> str | Spelling:
        """What grammars are compiled over: the text of a tokenizer.json, or every token's bytes."""
        ...


class ChatTokenizer:
    """Any thread may use it.

    Attributes:
        image_context_id: the id that a visual feature takes the place of.
        stop_id: the id that ends an answer.
        grammars: hold answers to JSON schemas.
    """

    def __init__(self, tokenizer: TextTokenizer, template: Template, files: TokenizerFiles) -> None:
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self._directory = files.directory
        self._tidies = files.config.get("clean_up_tokenization_spaces", bool, files.class_name == "PreTrainedTokenizer")
        self.image_context_id = self._single(IMAGE_CONTEXT)
        self.stop_id = self._single(template.stop)
        self.grammars = Grammars(tokenizer, self.stop_id)
        for token in (IMAGE_START, IMAGE_END):
            self._single(token)

    def __len__(self) -> int:
        return len(self._tokenizer)

    def encode(self, prompt: str) -> list[int]:
        """The ids of a whole prompt; markup becomes the special tokens that it names."""
        with self._lock:  # the Rust tokenizer is changed while it is set up for a call
            return self._tokenizer.encode(prompt)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids` without the published tokenizer's special tokens.

        Those are the ones that its config lists by name, not every token marked special: `<box>` and `<ref>` of the
        Qwen2.5 checkpoints stay.
        """
        return self.decode_raw([token for token in ids if token not in self._tokenizer.named_ids])

    def decode_raw(self, ids: Sequence[int]) -> str:
        """The text of `ids`, every special token included."""
        with self._lock:
            text = self._tokenizer.decode(ids)
        return tidied(text) if self._tidies else text

    def _single(self, token: str) -> int:
        found = self._tokenizer.token_id(token)
        if found is None:
            raise CheckpointError(
                f"the tokenizer has no token {token}",
                subject=str(self._directory),
                next_step="Use the tokenizer files that were published with the checkpoint",
            )
        return found


def load_tokenizer(directory: Path, family: str, template: Template) -> ChatTokenizer:
    """Load the tokenizer files in `directory` for a language model of this family.

    Raises:
        CheckpointError: files missing or unreadable, or the image or stop tokens are not in them.
    """
    files = read_tokenizer_files(directory, family)
    return ChatTokenizer(_text_tokenizer(files), template, files)


def _text_tokenizer(files: TokenizerFiles) -> TextTokenizer:
    """The slow files where they are, as published; tokenizer.json otherwise."""
    if files.has("tokenizer.model"):
        return SentencePieceTokenizer(files)
    if files.has("vocab.json", "merges.txt"):
        return MergesTokenizer(files)
    if files.has("tokenizer.json"):
        return FileTokenizer(files)
    raise CheckpointError(
        "there is neither tokenizer.model, nor vocab.json with merges.txt, nor tokenizer.json",
        subject=str(files.directory),
    )
