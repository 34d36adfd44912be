"""A checkpoint tried out: loaded, and asked about one built-in picture."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from pipelines.model.engine import SimpleEngine
from pipelines.model.load import load_model
from pipelines.model.requirements import Requirements
from pipelines.model.types import ChatRequest, Completion, ModelInfo, VisualInput
from reelmill.schema.tasks import Generation

QUESTION = "<image>\nWhat is in this picture?"
_NEW_TOKENS = 32
_ROOM = 1.2
"""Memory that must be free, by the weights' size: the cache and what is computed come on top."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it. `skipped` says why it was not loaded; times in wall seconds."""

    device: str
    skipped: str | None = None
    load_s: float | None = None
    answer_s: float | None = None
    completion: Completion | None = None


def try_out(needs: Requirements, *, revision: str | None, dtype: str, device: str) -> Trial:
    """Load the checkpoint as it was examined, if there is room for it, and have it answer.

    Raises:
        ModelError: it fails.
    """
    place = _named(device)
    free = sum(free_bytes(name) for name in place.split(","))
    if free < _ROOM * needs.weight_bytes:
        need, have = (f"{value / 2**30:.1f} GiB" for value in (_ROOM * needs.weight_bytes, free))
        return Trial(place, skipped=f"needs {need}, and {have} are free on {place}")
    started = time.monotonic()
    model = load_model(needs.name, revision=revision, dtype=dtype, device=device, quantization=needs.quantization)
    loaded = time.monotonic()
    engine = SimpleEngine(model)
    request = ChatRequest(QUESTION, picture(model.info), generation=Generation(max_new_tokens=_NEW_TOKENS))
    try:
        completion = engine.submit(request).result()
    finally:
        engine.close()
    return Trial(model.info.device, None, loaded - started, time.monotonic() - loaded, completion)


def _named(device: str) -> str:
    """The devices that loading may use."""
    if device != "auto":
        return device
    gpus = range(torch.cuda.device_count())
    return ",".join(f"cuda:{index}" for index in gpus) or "cpu"


def picture(info: ModelInfo) -> VisualInput:
    """The built-in picture: a red square on white."""
    tile = np.full((1, info.tile_size, info.tile_size, 3), 255, np.uint8)
    quarter = info.tile_size // 4
    tile[0, quarter:-quarter, quarter:-quarter] = (220, 20, 20)
    return VisualInput(tile, (1,), ("built-in",))


def free_bytes(device: str) -> int:
    """Free memory of a device."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    with open("/proc/meminfo") as lines:
        facts = dict(line.split(":") for line in lines)
    return int(facts["MemAvailable"].split()[0]) * 1024
