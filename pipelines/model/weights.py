"""The safetensors files of a checkpoint: what is in them, known from their headers before any weight is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from pipelines.errors import CheckpointError

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """A tensor that a file declares. `dtype` as safetensors names it (F32, BF16, …)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    file: Path


def read_headers(directory: Path) -> dict[str, TensorHeader]:
    """Every tensor of the checkpoint in `directory`, sharded or not, by name.

    Raises:
        CheckpointError: no safetensors weights, a broken or missing shard, an index that disagrees with its shards,
            or weights that are not floating point (quantised).
    """
    headers: dict[str, TensorHeader] = {}
    for file in _weight_files(directory):
        for header in _headers_of(file):
            if header.name in headers:
                raise CheckpointError(
                    f"holds {header.name}, and so does {headers[header.name].file.name}", subject=str(file)
                )
            headers[header.name] = header
    return headers


def read_tensors(file: Path, devices: Mapping[str, torch.device]) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of `file` that `devices` names, each on its device; on a CPU as views of the file, so copy them.

    The file is mapped anew for each: pages that were read would otherwise stay resident beside the weights.
    """
    for name, device in devices.items():
        with safe_open(file, framework="pt", device=str(device)) as tensors:
            tensor = tensors.get_tensor(name)
        yield name, tensor
        del tensor


def _weight_files(directory: Path) -> list[Path]:
    if (directory / _INDEX).is_file():
        return _shards(directory / _INDEX)
    if (directory / _SINGLE).is_file():
        return [directory / _SINGLE]
    pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in directory.glob(pattern))
    if pickles:
        raise CheckpointError(
            f"holds only pickled weights ({pickles[0]}), which can run code when they are loaded",
            subject=str(directory),
            next_step="Convert them to safetensors on a machine that trusts them",
        )
    raise CheckpointError(f"there is neither {_SINGLE} nor {_INDEX}", subject=str(directory))


def _shards(index: Path) -> list[Path]:
    try:
        places = json.loads(index.read_bytes())["weight_map"]
        names = sorted({str(name) for name in places.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError("is not an index of shards (no `weight_map`)", subject=str(index)) from error
    for name in names:
        if Path(name).name != name:
            raise CheckpointError(f"names a shard outside its directory ({name})", subject=str(index))
        if not (index.parent / name).is_file():
            raise CheckpointError(f"names {name}, which is not there", subject=str(index))
    return [index.parent / name for name in names]


def _headers_of(file: Path) -> list[TensorHeader]:
    try:
        with safe_open(file, framework="pt") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118 - not a mapping
            found = [TensorHeader(name, tuple(s.get_shape()), s.get_dtype(), file) for name, s in slices.items()]
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"is not a whole safetensors file ({error})", subject=str(file)) from error
    for header in found:
        if header.dtype not in _FLOATS:
            raise CheckpointError(
                f"{header.name} is {header.dtype}; only floating-point weights load (quantised ones do not)",
                subject=str(file),
            )
    return found
