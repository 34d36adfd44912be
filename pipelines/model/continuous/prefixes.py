"""Beginnings of prompts whose keys and values were computed before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

_MOST = 128
_WORTH_TOKENS = 32
"""What saves less is neither kept nor taken: a prompt that looks back at nothing is computed faster."""


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """The first tokens of a prompt, and their keys and values [layers, 2, heads, tokens, width]."""

    ids: npt.NDArray[np.int64]
    store: torch.Tensor


class Prefixes:
    """Keeps what was computed of late within a bound of tokens; the least recently found goes first."""

    def __init__(self, most_tokens: int) -> None:
        self._most_tokens = most_tokens
        self._kept: OrderedDict[bytes, Prefix] = OrderedDict()
        self._tokens = 0

    def find(self, ids: Sequence[int]) -> torch.Tensor | None:
        """Keys and values of the longest known beginning of `ids`. Never all of it: the last token has to be computed
        to know what follows it."""
        wanted = np.asarray(ids[:-1], np.int64)
        lengths = {key: _shared(prefix.ids, wanted) for key, prefix in self._kept.items()}
        best = max(lengths, key=lambda key: lengths[key], default=None)
        if best is None or lengths[best] < _WORTH_TOKENS:
            return None
        self._kept.move_to_end(best)
        return self._kept[best].store[:, :, :, : lengths[best]]

    def worth(self, computed_tokens: int, prompt_tokens: int) -> bool:
        """Whether a prompt is worth keeping of which so much was not found here."""
        return computed_tokens >= _WORTH_TOKENS and prompt_tokens <= self._most_tokens

    def keep(self, ids: Sequence[int], store: torch.Tensor) -> None:
        """Remember a prompt by its `store`, which must be nobody else's memory."""
        known = np.asarray(ids, np.int64)
        key = known.tobytes()
        if key in self._kept:
            return
        self._kept[key] = Prefix(known, store)
        self._tokens += len(known)
        while self._tokens > self._most_tokens or len(self._kept) > _MOST:
            _, gone = self._kept.popitem(last=False)
            self._tokens -= len(gone.ids)

    def clear(self) -> None:
        """Let everything go."""
        self._kept.clear()
        self._tokens = 0


def _shared(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> int:
    """How many ids both begin with."""
    most = min(len(one), len(other))
    differing = np.flatnonzero(one[:most] != other[:most])
    return int(differing[0]) if len(differing) else most
