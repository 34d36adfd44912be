"""How one tensor of a checkpoint becomes one or several parameters, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class KeyMap:
    """One tensor of the checkpoint and the parameters it holds.

    Along its first dimension the tensor is `groups` equal blocks; each block holds a piece of every parameter, in
    order, their lengths in the ratio of `shares`.

    Attributes:
        original: its name in the checkpoint.
        parameters: one name, or those that are fused in it.
    """

    original: str
    parameters: tuple[str, ...]
    shares: tuple[int, ...] = (1,)
    groups: int = 1

    def shape(self, shapes: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
        """The checkpoint tensor's shape, given the shapes of the parameters by name."""
        _, *rest = shapes[self.parameters[0]]
        return (sum(shapes[name][0] for name in self.parameters), *rest)

    def split(self, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
        """The parameters in a checkpoint tensor; as views of it where they lie in one piece."""
        if len(self.parameters) == 1:
            return {self.parameters[0]: tensor}
        rest = tensor.shape[1:]
        blocks = tensor.reshape(self.groups, -1, *rest)
        unit = blocks.shape[1] // sum(self.shares)
        pieces = torch.split(blocks, [unit * share for share in self.shares], dim=1)
        return {name: piece.reshape(-1, *rest) for name, piece in zip(self.parameters, pieces, strict=True)}

    def join(self, parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The checkpoint tensor made of these parameters."""
        first = parameters[self.parameters[0]]
        if len(self.parameters) == 1:
            return first
        rest = first.shape[1:]
        pieces = [parameters[name].reshape(self.groups, -1, *rest) for name in self.parameters]
        return torch.cat(pieces, dim=1).reshape(-1, *rest)
