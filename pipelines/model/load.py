"""The model that a worker serves."""

from __future__ import annotations

from typing import Literal

from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.engine import SimpleEngine
from pipelines.model.internvl import InternVL
from pipelines.model.types import Backend


def load_model(
    path_or_id: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    past_window: bool = False,
) -> InternVL:
    """Load a checkpoint to `chat` with.

    Args:
        past_window: answer prompts beyond the checkpoint's window too, instead of refusing them.

    Raises:
        CheckpointError: what is wrong with it.
    """
    return InternVL(load_checkpoint(path_or_id, revision=revision, dtype=dtype, device=device), past_window)


def load_backend(
    path_or_id: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    max_batch_size: int = 16,
    engine: Literal["simple", "continuous"] = "simple",
) -> Backend:
    """Load a checkpoint behind the engine that batches requests. It starts with the first request.

    Raises:
        CheckpointError: what is wrong with it.
    """
    chosen = ContinuousEngine if engine == "continuous" else SimpleEngine
    return chosen(load_model(path_or_id, revision=revision, dtype=dtype, device=device), max_batch_size)
