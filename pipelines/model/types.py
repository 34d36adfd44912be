"""The contract between those who ask and the engine that answers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from pipelines.cancellation import Cancellation
from pipelines.grid import Grid
from reelmill.schema.results import FinishReason
from reelmill.schema.tasks import Generation

BackendName = Literal["transformers", "openai", "lmdeploy"]


@dataclass(frozen=True, slots=True, eq=False)
class VisualInput:
    """The pictures of one conversation.

    Attributes:
        tiles: uint8 [tiles, size, size, 3], RGB; not normalised (that happens on the model's device).
        tiles_per_image: how many of them belong to each picture, in order; sums to len(tiles).
        content_keys: one key per picture; equal keys mean equal tiles, so features can be computed once and kept.
        grids: how each picture's tiles lie, row by row; one more than the grid has is the thumbnail. Backends that
            send pictures instead of tiles need them; without them a picture of one tile is its own grid.
    """

    tiles: npt.NDArray[np.uint8]
    tiles_per_image: tuple[int, ...]
    content_keys: tuple[str, ...]
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True, slots=True)
class Weighed:
    """An answer whose likelihood is asked for, and all that it stands beside, itself included."""

    answer: str
    among: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ChatRequest:
    """One turn to answer.

    Attributes:
        question: the user's turn, with one `<image>` per picture of `visual` that is not in the history.
        history: earlier (question, answer) turns, oldest first; their `<image>`s come first in `visual`.
        generation: settings of this request alone.
        cancellation: looked at between generated tokens.
        on_text: told each piece of the answer as soon as no later token can change it. It is called on the engine's
            thread, so it must not take long; one that raises is told nothing more.
        json_schema: the answer is held to this JSON schema.
        weighed: nothing is generated; the completion says how likely this answer is.
    """

    question: str
    visual: VisualInput | None = None
    history: tuple[tuple[str, str], ...] = ()
    generation: Generation = Generation()
    cancellation: Cancellation | None = None
    on_text: Callable[[str], None] | None = None
    json_schema: str | None = None
    weighed: Weighed | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer. `text` has no template markup, `raw_text` is all that was generated.

    Attributes:
        wait_s, vision_s, prefill_s, generate_s: wall seconds, one after the other: until it was started, until its
            pictures were encoded, until its first token, and from there to its last.
        token_ids: empty where a server does not tell them.
        counted_tokens: how many there were, where it says no more than that.
        log_likelihood: natural logarithm of the probability of a weighed answer.
    """

    text: str
    raw_text: str
    token_ids: tuple[int, ...]
    prompt_tokens: int
    finish_reason: FinishReason
    wait_s: float = 0.0
    vision_s: float = 0.0
    generate_s: float = 0.0
    prefill_s: float = 0.0
    counted_tokens: int | None = None
    log_likelihood: float | None = None

    @property
    def output_tokens(self) -> int:
        """How many tokens were generated."""
        return len(self.token_ids) if self.counted_tokens is None else self.counted_tokens


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a backend serves, for tiling, the fingerprint and `workers` rows.

    Attributes:
        device: one, or several with commas between.
        quantization: "none", or what weights are kept in ("int8").
        context_tokens: the window; 0 where a server does not say.
        backend: which of REELMILL_BACKEND's it is.
    """

    path: str
    revision: str | None
    family: str
    template: str
    dtype: str
    device: str
    tile_size: int
    tokens_per_tile: int
    max_tiles: int
    use_thumbnail: bool
    context_tokens: int
    quantization: str = "none"
    backend: BackendName = "transformers"

    @property
    def precision(self) -> str:
        """What it computes in: the dtype, the quantisation where there is one, and who does it where it is not us.

        It stands in the model's row, so that other arithmetic is another fingerprint.
        """
        kept = "" if self.quantization == "none" else f" {self.quantization}"
        return f"{self.dtype}{kept}" + ("" if self.backend == "transformers" else f" ({self.backend})")


class Backend(Protocol):
    """Anything that answers chat requests. Any thread may submit; futures resolve in any order."""

    @property
    def info(self) -> ModelInfo: ...

    def submit(self, request: ChatRequest) -> Future[Completion]:
        """Queue a request.

        The future raises PromptError, ContextExceededError, ModelOutOfMemoryError, ModelServerError or
        CancelledError.
        """
        ...

    def close(self) -> None:
        """Stop; what is queued or running fails with CancelledError."""
        ...
