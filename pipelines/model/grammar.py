"""JSON schemas over the tokens of one tokenizer, compiled by llguidance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import llguidance

from pipelines.errors import PromptError
from pipelines.model.guide import SchemaGuide

if TYPE_CHECKING:
    from pipelines.model.tokenizer import TextTokenizer

_LAYOUT: Any = {
    # As Python writes JSON. Free white space would let a model say nothing but blanks.
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}


@dataclass(frozen=True, slots=True)
class Spelling:
    """The bytes of every token, for a tokenizer without a tokenizer.json.

    Attributes:
        special: ids that are no text.
        encode: text in the middle of other text to ids, nothing put in front.
    """

    tokens: Sequence[bytes]
    special: Sequence[int]
    encode: Callable[[str], list[int]]


class Grammars:
    """Makes the guides of one model. Any thread may use it; the vocabulary is read at the first schema."""

    def __init__(self, tokenizer: TextTokenizer, stop_id: int) -> None:
        self._tokenizer, self._stop_id = tokenizer, stop_id
        self._lock = threading.Lock()
        self._vocabulary: Any = None

    def guide(self, schema: str) -> SchemaGuide:
        """A guide for one answer.

        Raises:
            PromptError: the schema uses what no answer can be held to.
        """
        grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=_LAYOUT)
        matcher = llguidance.LLMatcher(self._read_vocabulary(), grammar, log_level=0)
        if matcher.is_error():
            raise PromptError(
                f"answers cannot be held to this schema: {matcher.get_error().splitlines()[0]}",
                next_step="Leave out what it names, or ask without a schema",
            )
        return SchemaGuide(matcher, self._stop_id)

    def _read_vocabulary(self) -> Any:
        with self._lock:
            if self._vocabulary is None:
                self._vocabulary = self._build()
            return self._vocabulary

    def _build(self) -> Any:
        spelled = self._tokenizer.spelling()
        if isinstance(spelled, Spelling):
            known: Any = llguidance.TokenizerWrapper(_Spelled(spelled, self._stop_id))
        else:
            known = spelled
        return llguidance.LLTokenizer(known, n_vocab=len(self._tokenizer), eos_token=self._stop_id)


class _Spelled:
    """What llguidance asks of a tokenizer that it does not know."""

    def __init__(self, spelling: Spelling, stop_id: int) -> None:
        self.tokens, self.special_token_ids = spelling.tokens, list(spelling.special)
        self.eos_token_id, self.bos_token_id = stop_id, None
        self._encode = spelling.encode

    def __call__(self, text: str | bytes) -> list[int]:
        return self._encode(text.decode() if isinstance(text, bytes) else text)
