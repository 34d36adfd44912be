"""8-bit weights (LLM.int8 of bitsandbytes): which layers have them, and how one gets them while weights stream in."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import nn

from pipelines.errors import CheckpointError
from pipelines.model.network import Network

Quantization = Literal["none", "int8"]
_OUTLIER_THRESHOLD = 6.0
"""Inputs with a value beyond it are multiplied in 16 bit: transformers' default, which the model cards use."""
_ROW_SCALE_BYTES = 4


def linear_layers(network: Network) -> dict[str, nn.Linear]:
    """The layers that become 8-bit, by name: every linear one but the head.

    transformers converts these of a published checkpoint with `load_in_8bit=True`, those of the vision model included.
    A row is scaled by its own largest value, so q, k and v that the checkpoint fuses get the numbers they get apart.
    """
    head = network.language_model.get_output_embeddings()
    return {
        name: module for name, module in network.named_modules() if isinstance(module, nn.Linear) and module is not head
    }


def weight_bytes(network: Network, part: nn.Module, dtype: torch.dtype, quantization: Quantization) -> int:
    """What a part of `network` takes up when it is loaded like this."""
    converted = set(linear_layers(network).values()) if quantization == "int8" else set()
    eight_bit = {module.weight for module in part.modules() if module in converted}
    return sum(
        value.numel() + len(value) * _ROW_SCALE_BYTES if value in eight_bit else value.numel() * dtype.itemsize
        for value in part.parameters()
    )


def require_bitsandbytes() -> None:
    """Raises CheckpointError where bitsandbytes is not installed."""
    if find_spec("bitsandbytes") is None:
        raise CheckpointError(
            "needs bitsandbytes, which is not installed",
            subject="quantization int8",
            next_step="Run `pip install 'reelmill[int8]'`, or load the model without quantization",
        )
    # It says for every product that it casts the inputs to 16 bit, which is what it is for.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


class EightBitLayers:
    """The 8-bit layers of a network whose weights are still to come. Requires bitsandbytes."""

    def __init__(self, network: Network) -> None:
        """Put 8-bit layers, without memory, in the place of the linear ones."""
        require_bitsandbytes()
        self._layers: dict[str, Any] = {}
        for name, linear in linear_layers(network).items():
            parent, _, child = name.rpartition(".")
            self._layers[f"{name}.weight"] = layer = _without_memory(linear)
            setattr(network.get_submodule(parent), child, layer)

    def take(self, name: str, weight: torch.Tensor) -> bool:
        """Quantise `weight` [out, in] into its layer, on the device where it is; False where `name` is none of them."""
        layer = self._layers.get(name)
        if layer is None:
            return False
        from bitsandbytes.functional import int8_vectorwise_quant
        from bitsandbytes.nn import Int8Params

        values, scales, _ = int8_vectorwise_quant(weight.to(torch.float16))
        layer.weight = Int8Params(values, requires_grad=False, has_fp16_weights=False, CB=values, SCB=scales)
        # At once, not at the first call: a copy of the model that shares the weight would not find the scales there.
        layer.init_8bit_state()
        return True


def shared_tensors(model: nn.Module) -> Iterator[torch.Tensor]:
    """What two copies of a model need only once: its parameters, and the values and scales behind 8-bit ones."""
    yield from model.parameters()
    for module in model.modules():
        state = getattr(module, "state", None)
        if state is not None:
            yield from (tensor for tensor in (state.CB, state.SCB) if tensor is not None)


def _without_memory(linear: nn.Linear) -> Any:
    from bitsandbytes.nn import Linear8bitLt

    return Linear8bitLt(
        linear.in_features,
        linear.out_features,
        bias=linear.bias is not None,
        has_fp16_weights=False,
        threshold=_OUTLIER_THRESHOLD,
        device="meta",
    )
