"""The model that a worker serves."""

from __future__ import annotations

from typing import Literal

from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.engine import SimpleEngine
from pipelines.model.internvl import InternVL
from pipelines.model.quantization import Quantization
from pipelines.model.types import Backend


def load_model(
    path_or_id: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    quantization: Quantization = "none",
    past_window: bool = False,
) -> InternVL:
    """Load a checkpoint to `chat` with.

    Args:
        device: auto, what torch calls it, or several with commas between: the layers are spread over them.
        quantization: int8 keeps the weights of linear layers in 8 bit (needs bitsandbytes).
        past_window: answer prompts beyond the checkpoint's window too, instead of refusing them.

    Raises:
        CheckpointError: what is wrong with it.
    """
    checkpoint = load_checkpoint(path_or_id, revision=revision, dtype=dtype, device=device, quantization=quantization)
    return InternVL(checkpoint, past_window)


def load_backend(
    path_or_id: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    quantization: Quantization = "none",
    past_window: bool = False,
    max_batch_size: int = 16,
    engine: Literal["simple", "continuous"] = "continuous",
) -> Backend:
    """Load a checkpoint, as `load_model` does, behind the engine that batches requests. It starts with the first one.

    A model that is spread over several devices is served by the simple engine, whichever was asked for: the cache of
    the continuous one lies on one device.

    Raises:
        CheckpointError: what is wrong with it.
    """
    model = load_model(
        path_or_id,
        revision=revision,
        dtype=dtype,
        device=device,
        quantization=quantization,
        past_window=past_window,
    )
    chosen = ContinuousEngine if engine == "continuous" and not model.sharded else SimpleEngine
    return chosen(model, max_batch_size)
