"""The mean of the weights over the last steps: what is published, as it answers better than any single step's."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch

from demo.net import Shapes

LONGEST = 0.997
"""Share of the mean that stays per step: it spans some hundreds of steps."""


class Average:
    """An exponential moving average of a model's weights; young, it follows closely."""

    def __init__(self, model: Shapes) -> None:
        self.model = deepcopy(model).requires_grad_(False)
        self.steps = 0

    @torch.no_grad()
    def update(self, model: Shapes) -> None:
        """Take in the weights after one step."""
        self.steps += 1
        kept = min(LONGEST, self.steps / (self.steps + 9))
        mine = [parameter.data for parameter in self.model.parameters()]
        torch._foreach_lerp_(mine, [parameter.data for parameter in model.parameters()], 1 - kept)

    def state(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.steps = state["steps"]
