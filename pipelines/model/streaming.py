"""An answer while it is generated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.model.template import Template
from pipelines.model.tokenizer import ChatTokenizer

_log = logging.getLogger(__name__)
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
        self.hear([*self._ids, *value.flatten().tolist()])

    def hear(self, ids: Sequence[int]) -> None:
        """Hear all ids so far. Where an answer starts over, what was told already is not told again."""
        self._ids = list(ids)
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


class Listener:
    """Who hears the answer of one request of many: what goes wrong with it is nobody else's business."""

    def __init__(self, streamer: TextStreamer) -> None:
        self._streamer: TextStreamer | None = streamer

    def hear(self, ids: Sequence[int], whole: bool = False) -> None:
        """Hear all ids so far, or the `whole` answer."""
        if self._streamer is None:
            return
        try:
            self._streamer.hear(ids)
            if whole:
                self._streamer.end()
        except Exception:  # noqa: BLE001 - whatever a listener does, its neighbours are generated with it
            _log.warning("a listener failed and is told nothing more; its answer goes on", exc_info=True)
            self._streamer = None
