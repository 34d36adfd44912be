"""What a network takes up, and how many GPUs hold it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pipelines.model.network import Network
from pipelines.model.placement import layer_places
from pipelines.model.quantization import Quantization, weight_bytes
from pipelines.model.text_config import TextShape

USABLE = 0.9
"""Of a GPU's memory; the rest is for what is computed."""
CONTEXT_TOKENS = 16_384
"""Whose cache must find room beside the weights."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of a network.

    Attributes:
        layers: of the language model; `layer_bytes` is the weights of one of them.
        rest_bytes: weights of all else.
        kv_bytes_per_token: of the cache, for one token of one conversation.
    """

    layers: int
    layer_bytes: int
    rest_bytes: int
    kv_bytes_per_token: int

    @property
    def weight_bytes(self) -> int:
        """Of all weights."""
        return self.layers * self.layer_bytes + self.rest_bytes

    def needs(self, gpus: int) -> list[int]:
        """Weights and cache on each of so many GPUs."""
        layer_bytes = self.layer_bytes + math.ceil(self.kv_bytes_per_token * CONTEXT_TOKENS / self.layers)
        places = layer_places(self.layers, gpus)
        return [places.count(gpu) * layer_bytes + (self.rest_bytes if gpu == 0 else 0) for gpu in range(gpus)]

    def fewest(self, gpu_bytes: Sequence[int]) -> int | None:
        """How many of these GPUs, from the first on, hold it; None if not even all do."""
        for gpus in range(1, len(gpu_bytes) + 1):
            if all(need <= USABLE * there for need, there in zip(self.needs(gpus), gpu_bytes, strict=False)):
                return gpus
        return None


def footprint_of(network: Network, text: TextShape, dtype: torch.dtype, quantization: Quantization) -> Footprint:
    """The footprint of a network, which may be without memory."""
    layer_bytes = weight_bytes(network, network.language_model.model.layers[0], dtype, quantization)
    return Footprint(
        layers=text.layers,
        layer_bytes=layer_bytes,
        rest_bytes=weight_bytes(network, network, dtype, quantization) - text.layers * layer_bytes,
        kv_bytes_per_token=2 * text.layers * text.kv_heads * text.head_dimension * dtype.itemsize,
    )
