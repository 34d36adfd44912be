"""What a checkpoint is and needs, known from its config and the headers of its files alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch

from pipelines.model.checkpoint import CheckpointFiles, open_checkpoint
from pipelines.model.devices import resolve_device, resolve_dtype
from pipelines.model.footprint import Footprint, footprint_of
from pipelines.model.loading import NetworkPlan, plan_network
from pipelines.model.placement import layer_places
from pipelines.model.quantization import Quantization

GPU_BYTES = {"24 GB": 24 * 10**9, "48 GB": 48 * 10**9, "80 GB": 80 * 10**9, "141 GB": 141 * 10**9}
_MOST_GPUS = 8


@dataclass(frozen=True, slots=True)
class Fit:
    """One size of GPU: how many it takes, and the GPU of each layer. `gpus` None: more than eight."""

    memory: str
    gpus: int | None
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Requirements:
    """A checkpoint that can be loaded.

    Attributes:
        stored_dtypes: what its files hold, the most frequent first; `dtype` is what it is loaded in.
        weight_bytes: of all parameters, loaded like this; `int8_bytes` with 8-bit linear layers.
        kv_bytes_per_token: of the cache, for one token of one conversation.
        fits: with the cache of 16,384 tokens beside the weights, in nine tenths of a GPU.
    """

    name: str
    revision: str | None
    layout: str
    family: str
    template: str
    tile_size: int
    tokens_per_tile: int
    max_tiles: int
    context_tokens: int
    parameters: int
    stored_dtypes: tuple[str, ...]
    dtype: str
    quantization: Quantization
    weight_bytes: int
    int8_bytes: int
    kv_bytes_per_token: int
    fits: tuple[Fit, ...]


def examine(
    path_or_id: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    quantization: Quantization = "none",
) -> Requirements:
    """Check a checkpoint as loading does, without reading a weight.

    Raises:
        CheckpointError: what is wrong with it.
    """
    opened = open_checkpoint(path_or_id, revision)
    plan = plan_network(opened.files.directory, opened.config)
    return _described(opened.files, plan, resolve_dtype(dtype, resolve_device(device)), quantization)


def _described(
    files: CheckpointFiles, plan: NetworkPlan, dtype: torch.dtype, quantization: Quantization
) -> Requirements:
    config, network = plan.config, plan.network
    network.language_model.tie_weights()
    stored = Counter(header.dtype for header in plan.headers.values())
    footprint = footprint_of(network, config.text, dtype, quantization)
    return Requirements(
        name=files.name,
        revision=files.revision,
        layout=config.layout,
        family=config.text.family,
        template=config.template,
        tile_size=config.tile_size,
        tokens_per_tile=config.tokens_per_tile,
        max_tiles=config.max_tiles,
        context_tokens=config.text.context_tokens,
        parameters=sum(value.numel() for value in network.parameters()),
        stored_dtypes=tuple(name for name, _ in stored.most_common()),
        dtype=str(dtype).removeprefix("torch."),
        quantization=quantization,
        weight_bytes=footprint.weight_bytes,
        int8_bytes=footprint_of(network, config.text, dtype, "int8").weight_bytes,
        kv_bytes_per_token=footprint.kv_bytes_per_token,
        fits=fits(footprint),
    )


def fits(footprint: Footprint) -> tuple[Fit, ...]:
    """For each size of GPU, the fewest that hold the weights and a cache."""
    found = {memory: footprint.fewest([size] * _MOST_GPUS) for memory, size in GPU_BYTES.items()}
    return tuple(
        Fit(memory, gpus, () if gpus is None else layer_places(footprint.layers, gpus))
        for memory, gpus in found.items()
    )
