"""What a checkpoint is and needs, known from its config and the headers of its files alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from pipelines.model.checkpoint import CheckpointFiles, open_checkpoint, resolve_device, resolve_dtype
from pipelines.model.loading import NetworkPlan, plan_network
from pipelines.model.network import Network
from pipelines.model.placement import layer_places

GPU_BYTES = {"24 GB": 24 * 10**9, "48 GB": 48 * 10**9, "80 GB": 80 * 10**9, "141 GB": 141 * 10**9}
_USABLE = 0.9
_CONTEXT_TOKENS = 16_384
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
        weight_bytes: of all parameters in `dtype`.
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
    weight_bytes: int
    kv_bytes_per_token: int
    fits: tuple[Fit, ...]


def examine(path_or_id: str, *, revision: str | None = None, dtype: str = "auto", device: str = "auto") -> Requirements:
    """Check a checkpoint as loading does, without reading a weight.

    Raises:
        CheckpointError: what is wrong with it.
    """
    opened = open_checkpoint(path_or_id, revision)
    plan = plan_network(opened.files.directory, opened.config)
    return _described(opened.files, plan, resolve_dtype(dtype, resolve_device(device)))


def _described(files: CheckpointFiles, plan: NetworkPlan, dtype: torch.dtype) -> Requirements:
    config, network = plan.config, plan.network
    network.language_model.tie_weights()
    stored = Counter(header.dtype for header in plan.headers.values())
    text, parameters = config.text, sum(value.numel() for value in network.parameters())
    kv_bytes = 2 * text.layers * text.kv_heads * text.head_dimension * dtype.itemsize
    return Requirements(
        name=files.name,
        revision=files.revision,
        layout=config.layout,
        family=text.family,
        template=config.template,
        tile_size=config.tile_size,
        tokens_per_tile=config.tokens_per_tile,
        max_tiles=config.max_tiles,
        context_tokens=text.context_tokens,
        parameters=parameters,
        stored_dtypes=tuple(name for name, _ in stored.most_common()),
        dtype=str(dtype).removeprefix("torch."),
        weight_bytes=parameters * dtype.itemsize,
        kv_bytes_per_token=kv_bytes,
        fits=fits(network, text.layers, dtype.itemsize, kv_bytes),
    )


def fits(network: Network, layers: int, value_bytes: int, kv_bytes_per_token: int) -> tuple[Fit, ...]:
    """For each size of GPU, the fewest that hold the weights and a cache."""
    layer_bytes = sum(value.numel() for value in network.language_model.model.layers[0].parameters()) * value_bytes
    rest_bytes = sum(value.numel() for value in network.parameters()) * value_bytes - layers * layer_bytes
    with_cache = layer_bytes + math.ceil(kv_bytes_per_token * _CONTEXT_TOKENS / layers)
    return tuple(_fit(GPU_BYTES, memory, layers, with_cache, rest_bytes) for memory in GPU_BYTES)


def _fit(sizes: Mapping[str, int], memory: str, layers: int, layer_bytes: int, rest_bytes: int) -> Fit:
    for gpus in range(1, _MOST_GPUS + 1):
        places = layer_places(layers, gpus)
        held = [places.count(gpu) * layer_bytes + (rest_bytes if gpu == 0 else 0) for gpu in range(gpus)]
        if max(held) <= _USABLE * sizes[memory]:
            return Fit(memory, gpus, places)
    return Fit(memory, None, ())
