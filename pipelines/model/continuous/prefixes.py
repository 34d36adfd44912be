"""Beginnings of prompts whose keys and values were computed before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from pipelines.model.continuous.passenger import Passenger

_MOST = 128
_WORTH_TOKENS = 32
"""What saves less is neither kept nor taken: a prompt that looks back at nothing is computed faster."""
_LEAST_SHARED_TOKENS = 128
"""What is shorter is copied: to read it apart from the rest costs kernels of its own."""
_LEVEL_TOKENS = 32
"""Questions that differ in a word more or less still read the same part of their prefix together."""


@dataclass(slots=True, eq=False)
class Prefix:
    """The first tokens of a prompt, and their keys and values [layers, 2, heads, tokens, width].

    Attributes:
        owner: who computed them, in a row of its own.
        users: requests that read them here; `level` is how many tokens the first of these reads.
    """

    ids: npt.NDArray[np.int64]
    store: torch.Tensor
    owner: Passenger | None = None
    users: int = 0
    level: int = 0
    key: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.ids.tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What a new prompt need not compute.

    Attributes:
        prefix: has its first `tokens`.
        base: has the first `shared` of these, and is where it may read them together with others.
    """

    prefix: Prefix
    tokens: int
    base: Prefix
    shared: int


class Prefixes:
    """Keeps what was computed of late within a bound of tokens; the least recently found goes first.

    What is in use stays, and does not count: its users have reserved room for it in the cache.
    """

    def __init__(self, most_tokens: int) -> None:
        self._most_tokens = most_tokens
        self._kept: OrderedDict[bytes, Prefix] = OrderedDict()

    def find(self, ids: Sequence[int]) -> Start | None:
        """The longest known beginning of `ids`. Never all of it: the last token has to be computed to know what
        follows it."""
        wanted = np.asarray(ids[:-1], np.int64)
        lengths = {key: _common(prefix.ids, wanted) for key, prefix in self._kept.items()}
        best = max(lengths, key=lambda key: lengths[key], default=None)
        if best is None or lengths[best] < _WORTH_TOKENS:
            return None
        self._kept.move_to_end(best)
        prefix, tokens = self._kept[best], lengths[best]
        return Start(prefix, tokens, *self._base(prefix, tokens, lengths))

    def _base(self, prefix: Prefix, tokens: int, lengths: dict[bytes, int]) -> tuple[Prefix, int]:
        """What others read already, where it is about as long; else the longest, if it is long enough to be shared."""
        level = tokens // _LEVEL_TOKENS * _LEVEL_TOKENS
        held = [one for one in self._kept.values() if one.users and one.level <= lengths[one.key]]
        fullest = max(held, key=lambda one: one.level, default=None)
        if fullest is not None and fullest.level >= level * 3 // 4:
            return fullest, fullest.level
        return prefix, level if level >= _LEAST_SHARED_TOKENS else 0

    def worth(self, computed_tokens: int, prompt_tokens: int) -> bool:
        """Whether a prompt is worth keeping of which so much was not found here."""
        return computed_tokens >= _WORTH_TOKENS and prompt_tokens <= self._most_tokens

    def keep(self, ids: Sequence[int], store: torch.Tensor, owner: Passenger | None = None) -> None:
        """Remember a prompt by its `store`, which must be nobody else's memory."""
        prefix = Prefix(np.asarray(ids, np.int64), store, owner)
        if prefix.key not in self._kept:
            self._kept[prefix.key] = prefix
            self._trim()

    def hold(self, prefix: Prefix, level: int) -> None:
        """One more request reads its first `level` tokens here."""
        if not prefix.users:
            prefix.level = level
        prefix.users += 1

    def release(self, prefix: Prefix) -> None:
        """A request that held it ended."""
        prefix.users -= 1
        self._trim()

    def clear(self) -> None:
        """Let nobody find anything of it any more."""
        self._kept.clear()

    def _trim(self) -> None:
        idle = [prefix for prefix in self._kept.values() if not prefix.users]
        tokens = sum(len(prefix.ids) for prefix in idle)
        for kept, prefix in zip(range(len(idle), 0, -1), idle, strict=True):
            if tokens <= self._most_tokens and kept <= _MOST:
                return
            del self._kept[prefix.key]
            tokens -= len(prefix.ids)


def _common(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> int:
    """How many ids both begin with."""
    most = min(len(one), len(other))
    differing = np.flatnonzero(one[:most] != other[:most])
    return int(differing[0]) if len(differing) else most
