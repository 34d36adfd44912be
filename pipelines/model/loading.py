"""A network in its place: built without memory, checked against the headers of its files, then filled from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import init_empty_weights

from pipelines.errors import CheckpointError
from pipelines.model.config import CheckpointConfig
from pipelines.model.crossing import connect_devices
from pipelines.model.device_map import DeviceMap
from pipelines.model.keymap import key_maps, stored_name
from pipelines.model.network import Network
from pipelines.model.quantization import EightBitLayers, Quantization
from pipelines.model.tensor_map import KeyMap
from pipelines.model.weights import TensorHeader, read_headers, read_tensors

_HEAD = "language_model.lm_head.weight"
_COMPUTED = "rotary_emb.inv_freq"


@dataclass(frozen=True, slots=True, eq=False)
class NetworkPlan:
    """A network without memory, and the tensors that will fill it: every one there, of the right shape."""

    config: CheckpointConfig
    network: Network
    maps: tuple[KeyMap, ...]
    headers: Mapping[str, TensorHeader]

    def load(self, places: DeviceMap, dtype: torch.dtype, quantization: Quantization = "none") -> Network:
        """Fill it, tensor by tensor. A plan is good for one network."""
        network = self.network
        eight_bit = EightBitLayers(network) if quantization == "int8" else None
        self._fill(_Passage(places, dtype, eight_bit))
        network.language_model.tie_weights()
        for module in network.modules():
            for name, buffer in module.named_buffers(recurse=False):
                setattr(module, name, buffer.to(places.first))
        if places.sharded:
            connect_devices(network.language_model, places)
        return network.eval().requires_grad_(False)

    def _fill(self, passage: _Passage) -> None:
        by_file: dict[Path, dict[str, KeyMap]] = defaultdict(dict)
        for entry in self.maps:
            header = self.headers[entry.original]
            by_file[header.file][header.name] = entry
        for file, entries in by_file.items():
            parameters: dict[str, torch.Tensor] = {}
            devices = {name: passage.places.of_parameter(entry.parameters[0]) for name, entry in entries.items()}
            for name, tensor in read_tensors(file, devices):
                parameters |= passage.parameters(entries[name], tensor)
            self.network.load_state_dict(parameters, strict=False, assign=True)


def plan_network(directory: Path, config: CheckpointConfig, attention: str = "sdpa") -> NetworkPlan:
    """Build the network without memory, and check every tensor's header against it.

    Args:
        attention: transformers' `attn_implementation`.

    Raises:
        CheckpointError: missing or unexpected tensors, or shapes that disagree with config.json.
    """
    headers = _headers(directory, config)
    config = _tied_as_stored(config, headers)
    plan = NetworkPlan(config, empty_network(config, attention), key_maps(config), headers)
    _check(directory, plan)
    return plan


def empty_network(config: CheckpointConfig, attention: str = "sdpa") -> Network:
    """The network without memory for its parameters; buffers (rotary frequencies) are real."""
    with init_empty_weights(include_buffers=False):
        return Network(config, attention)


def _tied_as_stored(config: CheckpointConfig, headers: Mapping[str, TensorHeader]) -> CheckpointConfig:
    """`-hf` configs say "tied" by default: a head in the file is what tells, as transformers has it."""
    tied = config.text.tied_embeddings and not (config.layout == "hf" and _HEAD in headers)
    return replace(config, text=replace(config.text, tied_embeddings=tied))


def _check(directory: Path, plan: NetworkPlan) -> None:
    headers, shapes = plan.headers, {name: value.shape for name, value in plan.network.named_parameters()}
    wanted = {entry.original: entry for entry in plan.maps}
    allowed = {_HEAD, "language_model.output.weight"} if plan.config.text.tied_embeddings else set()
    _refuse_any(directory, "tensors that config.json asks for are missing", wanted.keys() - headers.keys())
    _refuse_any(directory, "tensors that config.json has no place for", headers.keys() - wanted.keys() - allowed)
    wrong = [
        f"{name} {list(headers[name].shape)} instead of {list(entry.shape(shapes))}"
        for name, entry in wanted.items()
        if headers[name].shape != entry.shape(shapes)
    ]
    _refuse_any(directory, "shapes disagree with config.json", wrong)


def _headers(directory: Path, config: CheckpointConfig) -> dict[str, TensorHeader]:
    """The file's tensors by the names of `key_maps`; rotary frequencies, which older files hold, are computed here."""
    found = read_headers(directory)
    return {stored_name(config, name): header for name, header in found.items() if not name.endswith(_COMPUTED)}


def _refuse_any(directory: Path, what: str, found: Sequence[str] | set[str]) -> None:
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise CheckpointError(f"{what}: {', '.join(sorted(found)[:3])}{more}", subject=str(directory))


@dataclass(frozen=True, slots=True, eq=False)
class _Passage:
    """What a tensor becomes on its way from file to network."""

    places: DeviceMap
    dtype: torch.dtype
    eight_bit: EightBitLayers | None

    def parameters(self, entry: KeyMap, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
        """The parameters in a checkpoint's tensor, without those that went into 8-bit layers."""
        parts = entry.split(tensor)
        if self.eight_bit is not None:
            parts = {name: part for name, part in parts.items() if not self.eight_bit.take(name, part.to(self.dtype))}
        # A copy of its own: a file that is mapped into memory may be replaced while the model runs.
        copied = tensor.device.type == "cpu"
        return {name: part.to(dtype=self.dtype, copy=copied) for name, part in parts.items()}
