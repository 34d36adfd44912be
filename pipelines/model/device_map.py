"""The device of every part of a network: one for all, or the language model's layers spread over several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pipelines.model.placement import layer_places

_LAYER = re.compile(r"^language_model\.model\.layers\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class DeviceMap:
    """Which device holds what.

    Attributes:
        devices: the first also holds all that is no layer of the language model.
        layers: for each layer of the language model, the index of its device.
    """

    devices: tuple[torch.device, ...]
    layers: tuple[int, ...]

    @classmethod
    def spread(cls, devices: Sequence[torch.device], layers: int) -> DeviceMap:
        """The placement of the model cards over these devices."""
        return cls(tuple(devices), layer_places(layers, len(devices)))

    @property
    def first(self) -> torch.device:
        """Where prompts are embedded and tokens come out."""
        return self.devices[0]

    @property
    def sharded(self) -> bool:
        """Whether layers lie on more than one device."""
        return len(self.devices) > 1

    def of_layer(self, layer: int) -> torch.device:
        """The device of a layer of the language model."""
        return self.devices[self.layers[layer]]

    def of_parameter(self, name: str) -> torch.device:
        """The device of a parameter by its name in the network."""
        layer = _LAYER.match(name)
        return self.first if layer is None else self.of_layer(int(layer[1]))

    def __str__(self) -> str:
        return ",".join(map(str, self.devices))
