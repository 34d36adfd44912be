"""The key-value cache: rows of equal room side by side, so that a step reads them where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pipelines.model.continuous.passenger import Passenger

_FIRST_ROWS = 8
_GROWTHS = 8
"""A slab takes at most this part of all memory at once, unless a single row is more."""
_LEAST_ROOM_TOKENS = 256


@dataclass(frozen=True, slots=True)
class CacheShape:
    """What a language model keeps of each token: per layer, a key and a value for each of its heads."""

    layers: int
    heads: int
    width: int
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, language_model: Any) -> CacheShape:
        """That of a stock causal language model."""
        config, weight = language_model.config, language_model.get_input_embeddings().weight
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return cls(config.num_hidden_layers, config.num_key_value_heads, width, weight.dtype, weight.device)

    def zeros(self, *tokens: int) -> torch.Tensor:
        """[layers, 2, heads, width] with the dimensions `tokens`, of which the last is one of tokens, where they go.

        Zeros, because what is masked away is still multiplied, and memory as it comes may hold what is no number.
        """
        *rows, room = tokens
        return torch.zeros(self.layers, 2, *rows, self.heads, room, self.width, dtype=self.dtype, device=self.device)


class Slab:
    """Rows with room for equally many tokens: `store` is [layers, 2 (keys, values), rows, heads, room, width].

    The rows in use are the first ones, without a gap: who leaves is replaced by the last.
    """

    def __init__(self, shape: CacheShape, room_tokens: int) -> None:
        self._shape = shape
        self.room_tokens = room_tokens
        self.store = shape.zeros(0, room_tokens)
        self.seated: list[Passenger] = []

    @property
    def rows(self) -> int:
        """Rows that there is memory for."""
        return int(self.store.shape[2])

    @property
    def tokens(self) -> int:
        """Tokens that there is memory for."""
        return self.rows * self.room_tokens

    def resize(self, rows: int) -> None:
        """Have memory for so many rows, not fewer than are in use."""
        store = self._shape.zeros(rows, self.room_tokens)
        store[:, :, : len(self.seated)] = self.store[:, :, : len(self.seated)]
        self.store = store

    def seat(self, passenger: Passenger) -> None:
        """Give it the next row; there must be one."""
        passenger.slab, passenger.row = self, len(self.seated)
        self.seated.append(passenger)

    def vacate(self, row: int) -> None:
        """Nobody sits there any more: the last one does now."""
        last = self.seated.pop()
        if row != len(self.seated):
            self.store[:, :, row, :, : last.in_row] = self.store[:, :, len(self.seated), :, : last.in_row]
            self.seated[row], last.row = last, row

    def read(self, passenger: Passenger, tokens: int) -> torch.Tensor:
        """A copy [layers, 2, heads, tokens, width] of its first `tokens`, those of its prefix included."""
        own = self.store[:, :, passenger.row, :, : tokens - passenger.shared]
        if passenger.prefix is None:
            return own.clone()
        return torch.cat((passenger.prefix.store[:, :, :, : passenger.shared], own), 3)

    def write(self, passenger: Passenger, start: torch.Tensor) -> None:
        """Let its row start with `start` [layers, 2, heads, tokens, width]."""
        self.store[:, :, passenger.row, :, : start.shape[3]] = start


class Slabs:
    """Slabs by the room of their rows, together within a bound of tokens.

    Requests of similar length are neighbours, which keeps what a step reads in vain small.
    """

    def __init__(self, shape: CacheShape, most_tokens: int) -> None:
        self._shape, self._most_tokens = shape, most_tokens
        self._slabs: dict[int, Slab] = {}
        self._reserved_tokens = 0

    @property
    def in_use(self) -> Sequence[Slab]:
        """Those with somebody in them."""
        return [slab for slab in self._slabs.values() if slab.seated]

    def seat(self, passenger: Passenger) -> bool:
        """Give it a row for all that it may come to hold; False while there is none."""
        room = min(_room(passenger.most_tokens), self._most_tokens)
        slab = self._slabs.setdefault(room, Slab(self._shape, room))
        if len(slab.seated) == slab.rows and not self._grow(slab):
            return False
        slab.seat(passenger)
        return True

    def reserve(self, tokens: int) -> bool:
        """Keep room for so many tokens that lie elsewhere; False where there is none."""
        if self._left(None) < tokens:
            self._tidy(None)
        if self._left(None) < tokens:
            return False
        self._reserved_tokens += tokens
        return True

    def release(self, tokens: int) -> None:
        """So many of these are no longer there."""
        self._reserved_tokens -= tokens

    def _grow(self, slab: Slab) -> bool:
        """Give it more rows, at best twice as many, for a fraction of all memory; False where there is not one more."""
        share = self._most_tokens // _GROWTHS // slab.room_tokens
        wanted = slab.rows + max(1, min(share, max(slab.rows, _FIRST_ROWS)))
        if self._left(slab) < wanted * slab.room_tokens:
            self._tidy(slab)
        rows = min(wanted, self._left(slab) // slab.room_tokens)
        if rows > slab.rows:
            slab.resize(rows)
        return len(slab.seated) < slab.rows

    def _tidy(self, needy: Slab | None) -> None:
        """Take from the other slabs what nobody uses."""
        for slab in [slab for slab in self._slabs.values() if slab is not needy]:
            if not slab.seated:
                del self._slabs[slab.room_tokens]
            elif len(slab.seated) < slab.rows:
                slab.resize(len(slab.seated))

    def _left(self, slab: Slab | None) -> int:
        taken = sum(other.tokens for other in self._slabs.values() if other is not slab)
        return self._most_tokens - self._reserved_tokens - taken


def _room(tokens: int) -> int:
    """The next power of two: more slabs would waste less room, but every slab costs a step its own kernels."""
    return max(_LEAST_ROOM_TOKENS, 1 << (tokens - 1).bit_length())
