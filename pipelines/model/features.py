"""Visual features by content: what was encoded lately is kept, the least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict

import torch


class FeatureCache:
    """Features of pictures by content key, inside a budget of bytes. One thread uses it."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._held: OrderedDict[str, torch.Tensor] = OrderedDict()
        self.used_bytes = 0

    def get(self, key: str) -> torch.Tensor | None:
        """The features kept under `key`, now the most recently used."""
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
        return found

    def put(self, key: str, features: torch.Tensor) -> None:
        """Keep `features` and let the least recently used go until all fit. Larger than the budget: not kept."""
        if features.nbytes > self._budget_bytes or key in self._held:
            return
        self._held[key] = features
        self.used_bytes += features.nbytes
        while self.used_bytes > self._budget_bytes:
            _, gone = self._held.popitem(last=False)
            self.used_bytes -= gone.nbytes

    def clear(self) -> None:
        """Let everything go."""
        self._held.clear()
        self.used_bytes = 0
