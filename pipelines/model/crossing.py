"""How a pass crosses from device to device in a model whose layers are spread over several."""

from __future__ import annotations

from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import nn

from pipelines.model.device_map import DeviceMap


def connect_devices(language_model: Any, places: DeviceMap) -> None:
    """Have every layer find its inputs on its own device, and what follows the layers on the first.

    The cache needs nothing: each layer's keys and values stay where they were computed.
    """
    inner = language_model.model
    ways = {device: _Way(device) for device in places.devices}
    for index, layer in enumerate(inner.layers):
        layer.register_forward_pre_hook(ways[places.of_layer(index)], with_kwargs=True)
    inner.norm.register_forward_pre_hook(ways[places.first], with_kwargs=True)
    # Nothing of a pass is kept for the next one: a tensor's place in memory may be taken by another by then.
    for way in ways.values():
        inner.register_forward_hook(way.forget, always_call=True)


class _Way:
    """The way to one device. What every layer is given alike (mask, rotary embeddings) takes it once in a pass."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._taken: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        moved = tuple(send_to_device(value, self._device) for value in args)
        return moved, {name: self._shared(value) for name, value in kwargs.items()}

    def forget(self, module: nn.Module, args: Any, output: Any) -> None:
        """The pass is over."""
        self._taken.clear()

    def _shared(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._shared, value))
        if not isinstance(value, torch.Tensor) or value.device == self._device:
            return value
        if id(value) not in self._taken:
            self._taken[id(value)] = (value, value.to(self._device))  # with the original: its id stays its own
        return self._taken[id(value)][1]
