"""Ids as the answer that they are."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.model.stops import Stops
from pipelines.model.template import Template
from pipelines.model.tokenizer import ChatTokenizer

_MARGIN_TOKENS = 16
"""Room for tokens that decode to nothing, and for a first one that loses its space."""
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class Reader:
    """Reads what a request was answered: without markup, before the template's separator and its own `stop` texts."""

    def __init__(self, tokenizer: ChatTokenizer, template: Template, stop: tuple[str, ...] = ()) -> None:
        self._tokenizer = tokenizer
        self._separator, self._stop = Stops((template.stop,)), stop
        self._ends = Stops((template.stop, *stop))
        # A token is at least a byte.
        self._end_tokens = max((len(text.encode()) for text in stop), default=0) + _MARGIN_TOKENS

    def answer(self, ids: Sequence[int]) -> str:
        """The whole answer."""
        return self._ends.before(self._tokenizer.decode(ids)).strip()

    def so_far(self, ids: Sequence[int]) -> str:
        """What of it no later id can take back; the rest of a last character may be still to come."""
        return self._ends.certain(self._tokenizer.decode(ids).rstrip(_UNFINISHED)).strip()

    def stopped(self, ids: Sequence[int]) -> bool:
        """Whether one of its `stop` texts is in it."""
        return bool(self._stop) and self._holds_stop(ids)

    def just_stopped(self, ids: Sequence[int]) -> bool:
        """The same, asked for every token: it looks at the last ones before it reads them all."""
        return bool(self._stop) and self._holds_stop(ids[-self._end_tokens :]) and self._holds_stop(ids)

    def _holds_stop(self, ids: Sequence[int]) -> bool:
        said = self._separator.before(self._tokenizer.decode(ids))
        return any(text in said for text in self._stop)
