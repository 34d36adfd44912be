"""An answer while it is generated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipelines.model.template import Template
from pipelines.model.tokenizer import ChatTokenizer

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class TextStreamer:
    """transformers' streamer interface: tells `write` each piece of text as soon as no later token can change it.

    White space at the ends and the template's markup are left out, as in the finished answer.
    """

    def __init__(self, tokenizer: ChatTokenizer, template: Template, write: Callable[[str], None]) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._write = write
        self._ids: list[int] = []
        self._written = ""

    def put(self, value: Any) -> None:
        """Hear new ids (a tensor)."""
        self._ids += value.flatten().tolist()
        text = self._text()
        if not text.endswith(_UNFINISHED):  # the rest of a character is still to come
            self._tell(text)

    def end(self) -> None:
        """The answer is whole."""
        self._tell(self._text())

    def _text(self) -> str:
        return self._template.answer(self._tokenizer.decode(self._ids))

    def _tell(self, text: str) -> None:
        if text.startswith(self._written) and text != self._written:
            self._write(text[len(self._written) :])
            self._written = text
