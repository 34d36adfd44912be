"""Several devices where there is one: tensors say which they are on, and refuse to be mixed, over memory of the CPU.

A pass through a model whose layers are spread is then the real one: real kernels, real numbers, and an error where a
tensor was not brought to the device of those that it is computed with.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

CPU = torch.device("cpu")


class Pretended(torch.Tensor):
    """A tensor of the CPU that says it is on another device."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, real: torch.Tensor, device: torch.device) -> Pretended:
        tensor: Pretended = torch.Tensor._make_wrapper_subclass(
            cls,
            real.shape,
            strides=real.stride(),
            storage_offset=real.storage_offset(),
            dtype=real.dtype,
            device=device,
        )
        tensor.inner = real
        return tensor

    def tolist(self) -> Any:
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(function, args, kwargs or {})


class PretendedDevices(TorchDispatchMode):
    """Inside the block, tensors may be made on pretended devices, and copied to them."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(function, args, kwargs or {})


def run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do it on the CPU; the result is where its inputs are, or where it was asked to be."""
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
    asked = kwargs.get("device")
    # As CUDA has it: a single number of the CPU may join in anywhere, and a copy goes wherever it goes.
    places = {value.device for value in tensors if value.dim() or value.device != CPU}
    copies = function is torch.ops.aten.copy_.default
    if len(places) > 1 and not copies:
        raise RuntimeError(f"{function} mixes {', '.join(sorted(map(str, places)))}")
    device = torch.device(asked) if asked is not None else next(iter(places), CPU)
    device = args[0].device if copies else device
    if "device" in kwargs:
        kwargs = kwargs | {"device": CPU}
    real_args, real_kwargs = tree_map_only(Pretended, lambda value: value.inner, (args, kwargs))
    result = function(*real_args, **real_kwargs)
    own = {id(value.inner): value for value in tensors if isinstance(value, Pretended)}

    def placed(value: torch.Tensor) -> torch.Tensor:
        if device == CPU:
            return value
        return own[id(value)] if id(value) in own else Pretended(value, device)

    return tree_map_only(torch.Tensor, placed, result)
