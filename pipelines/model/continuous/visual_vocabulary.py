"""An embedding layer with room for what is seen: ids above the text vocabulary read a table of visual features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn


class VisualVocabulary(nn.Module):
    """Embeds words as the layer that it wraps does, and visual ids from a table of `slots` feature vectors.

    A visual id is words + slot + generation × slots: ids of different generations read the same slot, but are
    different ids to whoever compares them.
    """

    table: torch.Tensor

    def __init__(self, text: nn.Module, slots: int) -> None:
        super().__init__()
        self.text = text
        self.words, hidden = self.weight.shape
        # Not filled: a slot is written before an id of it is in any prompt.
        table = torch.empty(slots, hidden, dtype=self.weight.dtype, device=self.weight.device)
        self.register_buffer("table", table, persistent=False)

    @property
    def weight(self) -> torch.Tensor:
        """Of the words, [vocabulary, hidden]."""
        return cast("torch.Tensor", self.text.weight)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """[..., hidden] of ids [...]; no value of an id changes which kernels run."""
        visual = ids >= self.words
        slots = (ids - self.words).remainder(len(self.table))
        return torch.where(visual.unsqueeze(-1), self.table[slots], self.text(ids.masked_fill(visual, 0)))

    @torch.inference_mode()
    def write(self, ids: Sequence[int], features: torch.Tensor) -> None:
        """Put features [..., hidden] where `ids`, as many, read them."""
        slots = torch.tensor(ids, device=self.table.device).sub_(self.words).remainder_(len(self.table))
        self.table[slots] = features.reshape(-1, features.shape[-1]).to(self.table)
