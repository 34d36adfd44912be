"""From a directory or hub id to a network on its device: checked by headers first, then streamed tensor by tensor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from transformers.utils import is_flash_attn_2_available

from pipelines.errors import CheckpointError
from pipelines.model.config import CheckpointConfig, read_config
from pipelines.model.device_map import DeviceMap
from pipelines.model.devices import choose_places, resolve_device, resolve_dtype
from pipelines.model.footprint import footprint_of
from pipelines.model.loading import plan_network
from pipelines.model.network import Network
from pipelines.model.quantization import Quantization, require_bitsandbytes
from pipelines.model.template import Template, find_template
from pipelines.model.tokenizer import ChatTokenizer, load_tokenizer

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_WANTED_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """Where a checkpoint lies. `revision` is the hub's commit, None for a plain directory."""

    directory: Path
    name: str
    revision: str | None


@dataclass(frozen=True, slots=True)
class OpenedCheckpoint:
    """A checkpoint without its weights."""

    files: CheckpointFiles
    config: CheckpointConfig
    template: Template
    tokenizer: ChatTokenizer


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded checkpoint."""

    files: CheckpointFiles
    config: CheckpointConfig
    template: Template
    tokenizer: ChatTokenizer
    network: Network
    places: DeviceMap
    quantization: Quantization


def locate(path_or_id: str, revision: str | None = None, wanted: Sequence[str] = _WANTED_FILES) -> CheckpointFiles:
    """A local directory as it is, or the files of a hub id at `revision`, downloaded when they are not in the cache.

    Args:
        wanted: patterns of the files that are downloaded.

    Raises:
        CheckpointError: neither; or the hub cannot be reached, or has no such model or revision.
    """
    local = Path(path_or_id).expanduser()
    if local.is_dir():
        return CheckpointFiles(local, path_or_id, None)
    if not _HUB_ID.fullmatch(path_or_id):
        raise CheckpointError("is neither a directory nor a hub id (owner/name)", subject=path_or_id)
    try:
        snapshot = Path(snapshot_download(path_or_id, revision=revision, allow_patterns=list(wanted)))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"is no directory here, and cannot be had from the hub: {error}",
            subject=path_or_id,
            next_step="Check the id, the revision and the network, or give a local directory",
        ) from error
    return CheckpointFiles(snapshot, path_or_id, snapshot.name)


def open_checkpoint(path_or_id: str, revision: str | None = None) -> OpenedCheckpoint:
    """Read all of a checkpoint but its weights.

    Raises:
        CheckpointError: what is wrong with it.
    """
    files = locate(path_or_id, revision)
    config = read_config(files.directory)
    template = find_template(config.template)
    tokenizer = load_tokenizer(files.directory, config.text.family, template)
    if len(tokenizer) > config.text.vocabulary:
        raise CheckpointError(
            f"the tokenizer has {len(tokenizer)} tokens, the model {config.text.vocabulary}", subject=path_or_id
        )
    return OpenedCheckpoint(files, config, template, tokenizer)


def load_checkpoint(
    path_or_id: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    quantization: Quantization = "none",
) -> Checkpoint:
    """Load a checkpoint. Nothing of it is executed.

    Args:
        dtype: auto (bfloat16 on GPUs that have it, else float32), float32, float16 or bfloat16.
        device: auto (as few GPUs as hold it, or the CPU), what torch calls it, or several with commas between.
        quantization: int8 keeps the weights of linear layers in 8 bit; `dtype` is then that of all else.

    Raises:
        CheckpointError: what is wrong with it, before memory is spent on weights.
    """
    if quantization == "int8":
        require_bitsandbytes()
    opened = open_checkpoint(path_or_id, revision)
    first = resolve_device(device)
    kind = resolve_dtype(dtype, first)
    plan = plan_network(opened.files.directory, opened.config, _attention(first, kind))
    places = choose_places(device, footprint_of(plan.network, plan.config.text, kind, quantization))
    network = plan.load(places, kind, quantization)
    return Checkpoint(opened.files, plan.config, opened.template, opened.tokenizer, network, places, quantization)


def _attention(device: torch.device, dtype: torch.dtype) -> str:
    flash = device.type == "cuda" and dtype != torch.float32 and is_flash_attn_2_available()
    return "flash_attention_2" if flash else "sdpa"
