"""Sentencepiece tokenizers of InternLM2, InternLM3, Phi-3 and Yi: exactly the ids of the published slow tokenizers.

What those did, transformers 4.37's `LlamaTokenizer` and the checkpoints' own `InternLM2Tokenizer`: the text is split at
added tokens (leftmost, longest), what lies between is encoded by sentencepiece piece by piece, and decoding puts
a space between added tokens and text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sentencepiece import SentencePieceProcessor

from pipelines.errors import CheckpointError
from pipelines.model.grammar import Spelling
from pipelines.model.tokenizer_files import AddedToken, TokenizerFiles

_BLANK = "▁"
_NO_DUMMY_PREFIX = b"\x1a\x02\x18\x00"
"""`normalizer_spec { add_dummy_prefix: false }` in protocol buffers; behind a model it overrides the model's own."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a published class treats the ends of a text and the neighbours of special tokens.

    Attributes:
        own_prefix: it puts the blank in front of a text itself instead of leaving it to sentencepiece.
        drops_first_blank: decoding takes the blank off the first piece.
        space_before_special: decoding puts a space before a special token: always, never, or not at the start.
        tidies: decoding always removes spaces before punctuation.
    """

    own_prefix: bool = False
    drops_first_blank: bool = True
    space_before_special: str = "never"
    tidies: bool = False


def _llama(files: TokenizerFiles) -> Manner:
    if files.config.get("legacy", bool, True):
        return Manner(space_before_special="inside")
    return Manner(own_prefix=True)


def _internlm2(_: TokenizerFiles) -> Manner:
    return Manner(drops_first_blank=False, space_before_special="always", tidies=True)


def _internlm3(files: TokenizerFiles) -> Manner:
    spaced = files.config.get("spaces_for_interleaved_special_tokens", bool, False)
    return Manner(
        drops_first_blank=files.config.get("add_prefix_space", bool, True),
        space_before_special="inside" if spaced else "never",
    )


_MANNERS = {"LlamaTokenizer": _llama, "InternLM2Tokenizer": _internlm2, "InternLM3Tokenizer": _internlm3}


class SentencePieceTokenizer:
    """A tokenizer.model with the tokens that were added to it.

    Attributes:
        named_ids: ids of the tokens that the files name special; the published decoding leaves these out.
    """

    def __init__(self, files: TokenizerFiles) -> None:
        if files.class_name not in _MANNERS:
            raise CheckpointError(
                f"the tokenizer is a {files.class_name}; sentencepiece ones that load are {', '.join(_MANNERS)}",
                subject=str(files.directory),
            )
        self._files = files
        self._manner = _MANNERS[files.class_name](files)
        self._pieces = _processor(files, dummy_prefix=not self._manner.own_prefix)
        self._tokens, self._ids = self._overlay(files)
        self._split = re.compile("|".join(re.escape(text) for text in sorted(self._ids, key=len, reverse=True)))
        self._named = frozenset(files.named)
        self._unknown = files.roles.get("unk_token", "<unk>")
        self._unknown_length = len(self._pieces.encode(self._unknown, out_type=str))
        self._first = self._flagged(files, "bos_token", default=True)
        self._last = self._flagged(files, "eos_token", default=False)
        self._apart = self._set_apart(files)
        self.named_ids = frozenset(self._ids[text] for text in files.named)

    def __len__(self) -> int:
        return max(self._pieces.get_piece_size(), 1 + max(self._tokens, default=-1))

    def token_id(self, text: str) -> int | None:
        """The id of an added token."""
        return self._ids.get(text)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, with what the tokenizer puts at its ends."""
        return [*self._first, *(self._id(token) for token in self._tokenize(text)), *self._last]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`. Ids that no token has are nothing."""
        parts: list[str] = []
        waiting: list[str] = []
        for token in map(self._token, ids):
            if token in self._apart:
                parts += [said for said in [self._said(waiting)] if said]
                parts.append(token)
                waiting = []
            else:
                waiting.append(token)
        return " ".join([*parts, *([self._said(waiting)] if waiting else [])])

    def spelling(self) -> Spelling:
        """The bytes of every piece; added, control and unknown tokens are no text."""
        count = len(self)
        special = [number for number in range(count) if self._is_markup(number)]
        inside = _processor(self._files, dummy_prefix=False)
        return Spelling([self._spelled(number) for number in range(count)], special, inside.encode)

    def _is_markup(self, number: int) -> bool:
        if number in self._tokens or number >= self._pieces.get_piece_size():
            return True
        pieces = self._pieces
        return bool(pieces.is_control(number) or pieces.is_unknown(number) or pieces.is_unused(number))

    def _spelled(self, number: int) -> bytes:
        if self._is_markup(number):
            return self._token(number).encode()
        piece = str(self._pieces.id_to_piece(number))
        if self._pieces.is_byte(number):
            return bytes([int(piece[3:5], 16)])
        return piece.replace(_BLANK, " ").encode()

    def _overlay(self, files: TokenizerFiles) -> tuple[dict[int, AddedToken], dict[str, int]]:
        """Added tokens by id, and ids by text: those that are listed, then those that are only named special."""
        tokens = dict(files.added)
        ids = {token.text: number for number, token in tokens.items()}
        size = max(self._pieces.get_piece_size(), 1 + max(tokens, default=-1))
        for text in files.named:
            if text not in ids:
                known = self._pieces.piece_to_id(text)
                ids[text] = known if self._pieces.id_to_piece(known) == text else size
                size = max(size, ids[text] + 1)
                tokens[ids[text]] = AddedToken(text)
        return tokens, ids

    def _flagged(self, files: TokenizerFiles, role: str, *, default: bool) -> list[int]:
        wanted = files.config.get(f"add_{role}", bool, default) and role in files.roles
        return [self._ids[files.roles[role]]] if wanted else []

    def _set_apart(self, files: TokenizerFiles) -> frozenset[str]:
        """Tokens that decoding sets apart by spaces: added ones, but of the named ones only those added last."""
        roles = set(files.roles.values())
        size = self._pieces.get_piece_size()
        late = {text for text in self._named - roles if self._ids[text] >= size}
        return frozenset((self._ids.keys() - self._named) | late)

    def _tokenize(self, text: str) -> list[str]:
        if not self._manner.own_prefix or not text:
            return self._plain(text)
        tokens = self._plain(_BLANK + text.replace(_BLANK, " "))
        lone = len(tokens) > 1 and tokens[0] == _BLANK and tokens[1] in self._named
        return tokens[1:] if lone else tokens

    def _plain(self, text: str) -> list[str]:
        tokens: list[str] = []
        for part in self._parts(text):
            tokens += [part] if part in self._ids else self._encoded(part)
        return tokens

    def _parts(self, text: str) -> list[str]:
        """`text` cut at added tokens; white space beside them is eaten where the token says so."""
        if not self._ids:
            return [text] if text else []
        found = list(self._split.finditer(text))
        parts: list[str] = []
        at = 0
        for match in found:
            parts += [text[at : match.start()], match.group()]
            at = match.end()
        parts.append(text[at:])
        for place in range(1, len(parts), 2):
            token = self._tokens[self._ids[parts[place]]]
            parts[place + 1] = parts[place + 1].lstrip() if token.eats_right else parts[place + 1]
            parts[place - 1] = parts[place - 1].rstrip() if token.eats_left else parts[place - 1]
        return [part for part in parts if part]

    def _encoded(self, text: str) -> list[str]:
        if not (self._manner.own_prefix and text.startswith((_BLANK, " "))):
            return list(self._pieces.encode(text, out_type=str))
        # Alone, sentencepiece would drop the leading blank; behind the unknown token it stays.
        tokens = list(self._pieces.encode(self._unknown + text, out_type=str))
        return tokens[self._unknown_length :]

    def _id(self, token: str) -> int:
        return self._ids[token] if token in self._ids else int(self._pieces.piece_to_id(token))

    def _token(self, number: int) -> str:
        if number in self._tokens:
            return self._tokens[number].text
        return str(self._pieces.id_to_piece(number)) if number < self._pieces.get_piece_size() else ""

    def _said(self, tokens: Sequence[str]) -> str:
        """The text of tokens that are not set apart; special ones among them stand as they are."""
        if not tokens:
            return ""
        first = tokens[0].removeprefix(_BLANK) if self._manner.drops_first_blank else tokens[0]
        waiting: list[str] = []
        said, after_special = "", False
        for place, token in enumerate([first, *tokens[1:]]):
            if token in self._named:
                said += " " * (not after_special and self._spaced(place))
                said += self._pieces.decode(waiting) + token
                waiting = []
            else:
                waiting.append(token)
            after_special = token in self._named
        said += self._pieces.decode(waiting)
        return tidied(said) if self._manner.tidies else said

    def _spaced(self, place: int) -> bool:
        return self._manner.space_before_special == "always" or (
            self._manner.space_before_special == "inside" and place > 0
        )


def tidied(text: str) -> str:
    """transformers' `clean_up_tokenization`: no space before punctuation and English contractions."""
    for spaced, kept in _TIDY.items():
        text = text.replace(spaced, kept)
    return text


_TIDY = {
    " .": ".",
    " ?": "?",
    " !": "!",
    " ,": ",",
    " ' ": "'",
    " n't": "n't",
    " 'm": "'m",
    " 's": "'s",
    " 've": "'ve",
    " 're": "'re",
}


def _processor(files: TokenizerFiles, *, dummy_prefix: bool) -> SentencePieceProcessor:
    file = files.directory / "tokenizer.model"
    try:
        model = file.read_bytes() + (b"" if dummy_prefix else _NO_DUMMY_PREFIX)
        return SentencePieceProcessor(model_proto=model)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"is not a sentencepiece model ({error})", subject=str(file)) from error
