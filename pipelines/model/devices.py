"""What `--device` and `--dtype` mean on this machine."""

from __future__ import annotations

import torch

from pipelines.errors import CheckpointError
from pipelines.model.device_map import DeviceMap
from pipelines.model.footprint import Footprint

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def resolve_device(name: str) -> torch.device:
    """The first device that `name` means here.

    Raises:
        CheckpointError: no such device, or CUDA where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return _device(name.split(",")[0])


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """What a model's weights become on `device`.

    Raises:
        CheckpointError: a name not known here.
    """
    if name == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float32
    if name not in _DTYPES:
        raise CheckpointError(f"there is no dtype {name!r}; known are auto, {', '.join(_DTYPES)}")
    return _DTYPES[name]


def choose_places(name: str, footprint: Footprint) -> DeviceMap:
    """Where a network goes.

    Args:
        name: "auto" (the CPU, or as few of the visible GPUs as hold it), a device, or several: "cuda:0,cuda:1".

    Raises:
        CheckpointError: no such device, one named twice, or GPUs that do not hold it.
    """
    if name == "auto" and torch.cuda.device_count() > 1:
        return DeviceMap.spread(_enough_gpus(footprint), footprint.layers)
    devices = [resolve_device(name)] if name == "auto" else [_device(part) for part in name.split(",")]
    if len(set(devices)) != len(devices):
        raise CheckpointError("names a device twice", subject=f"device {name}")
    return DeviceMap.spread(devices, footprint.layers)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name.strip())
    except RuntimeError as error:
        raise CheckpointError(
            "is no device", subject=f"device {name}", next_step="Write auto, cpu, cuda:0, or a list like cuda:0,cuda:1"
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        seen = torch.cuda.device_count()
        what = f"this process sees {seen} CUDA devices" if seen else "no CUDA device is visible to this process"
        raise CheckpointError(what, subject=f"device {name}")
    return device


def _enough_gpus(footprint: Footprint) -> list[torch.device]:
    memory = [torch.cuda.get_device_properties(index).total_memory for index in range(torch.cuda.device_count())]
    count = footprint.fewest(memory)
    if count is None:
        raise CheckpointError(
            f"needs {footprint.weight_bytes / 2**30:.0f} GiB for its weights, more than the {len(memory)} GPUs here "
            f"hold beside a cache ({sum(memory) / 2**30:.0f} GiB in all)",
            subject="the model",
            next_step="Use more GPUs, a smaller model, or int8 quantization",
        )
    return [torch.device("cuda", index) for index in range(count)]
