"""The backend of LMDeploy's pipeline, in this process: TurboMind, AWQ checkpoints, tensor parallel.

Written against lmdeploy 0.16. It is imported when a model is loaded: it wants an environment of its own.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pipelines.errors import CancelledError, CheckpointError, ModelError, PipelineError, PromptError
from pipelines.model.backends.in_flight import InFlight
from pipelines.model.backends.lmdeploy_reply import LMDeployReply
from pipelines.model.backends.messages import Part, build_messages
from pipelines.model.backends.request_fields import form_fields
from pipelines.model.backends.saying import Saying
from pipelines.model.backends.sheets import picture_grid, picture_sheet
from pipelines.model.checkpoint import CheckpointFiles, locate
from pipelines.model.config import CheckpointConfig, quantisation, read_config
from pipelines.model.template import find_template
from pipelines.model.types import ChatRequest, Completion, ModelInfo, VisualInput

_IMAGE_TOKEN = "<IMAGE_TOKEN>"  # noqa: S105 - lmdeploy.vl.constants.IMAGE_TOKEN
_DTYPES = ("auto", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class LMDeployOptions:
    """How a checkpoint is loaded.

    Attributes:
        tp: GPUs that share one copy of the model.
        trust_remote_code: let LMDeploy run the Python in the checkpoint; it asks for that where the layout is the
            original one.
        concurrency: most requests in flight.
    """

    revision: str | None = None
    dtype: str = "auto"
    tp: int = 1
    trust_remote_code: bool = False
    concurrency: int = 64


class LMDeployBackend:
    """Asks a pipeline. A `Backend`: any thread may submit; one thread per request in flight waits for its tokens."""

    def __init__(self, pipeline: Any, info: ModelInfo, concurrency: int) -> None:
        """`pipeline` is what `lmdeploy.pipeline` returns."""
        self._pipeline = pipeline
        self._info = info
        self._template = find_template(info.template)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="reelmill-lmdeploy")
        self._in_flight = InFlight(self._answer, _typed, concurrency)

    @classmethod
    def load(cls, path_or_id: str, options: LMDeployOptions) -> LMDeployBackend:
        """Load a checkpoint, quantised or not.

        Raises:
            CheckpointError: no InternVL checkpoint, a dtype that LMDeploy does not have, or what LMDeploy says.
        """
        import lmdeploy

        if options.dtype not in _DTYPES:
            raise CheckpointError(f"LMDeploy has no dtype {options.dtype}", next_step=f"Use {', '.join(_DTYPES)}")
        files = locate(path_or_id, options.revision, ("*.json",))
        config = read_config(files.directory, quantised=True)
        info = _info(files, options, config)
        engine = lmdeploy.TurbomindEngineConfig(dtype=options.dtype, tp=options.tp, revision=files.revision)
        try:
            pipeline = lmdeploy.pipeline(path_or_id, backend_config=engine, trust_remote_code=options.trust_remote_code)
        except Exception as error:
            raise CheckpointError(f"LMDeploy cannot load it: {error}", subject=path_or_id) from error
        return cls(pipeline, info, options.concurrency)

    @property
    def info(self) -> ModelInfo:
        """What is served."""
        return self._info

    def submit(self, request: ChatRequest) -> Future[Completion]:
        """Queue a request; whatever goes wrong comes out of the future."""
        return self._in_flight.submit(request)

    def close(self) -> None:
        """Break off whatever is under way, and give the GPUs back."""
        self._in_flight.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._pipeline.close()

    async def _answer(self, request: ChatRequest, submitted_at: float) -> Completion:
        unwanted = threading.Event()
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._talk, request, submitted_at, unwanted)
        except asyncio.CancelledError:
            unwanted.set()
            raise

    def _talk(self, request: ChatRequest, submitted_at: float, unwanted: threading.Event) -> Completion:
        """Runs in a thread; between two tokens it sees that it is unwanted."""
        if request.weighed is not None:
            raise PromptError(
                "choices cannot be weighed through LMDeploy's pipeline",
                next_step="Ask for a schema with an enum, or use the transformers backend",
            )
        saying = Saying(request, self._template.stop)
        reply = LMDeployReply(saying, submitted_at)
        messages = build_messages(request, _pictures(request.visual), image_token=_IMAGE_TOKEN)
        session = self._pipeline.session()
        try:
            for piece in self._pipeline.stream_infer(
                messages, sessions=session, gen_config=_generation_config(request)
            ):
                if unwanted.is_set():
                    session.abort()
                    raise CancelledError("cancelled")
                reply.hear(piece)
                # LMDeploy's own `stop_words` are single tokens.
                if saying.stopped:
                    session.abort()
                    break
        finally:
            session.close()
        return reply.completion()


def _pictures(visual: VisualInput | None) -> list[Part]:
    """Sheets with the number of their tiles: LMDeploy then finds the same grid whatever the checkpoint's own limit."""
    if visual is None:
        return []
    return [
        {
            "type": "image_data",
            "image_data": {
                "data": Image.fromarray(picture_sheet(visual, index)),
                "max_dynamic_patch": picture_grid(visual, index).tile_count,
            },
        }
        for index in range(len(visual.tiles_per_image))
    ]


def _generation_config(request: ChatRequest) -> Any:
    import lmdeploy

    generation = request.generation
    if generation.num_beams > 1:
        raise PromptError("LMDeploy has no beam search", next_step="Leave num_beams at 1, or use transformers")
    sampling = {"temperature": generation.temperature, "top_p": generation.top_p, "top_k": generation.top_k}
    return lmdeploy.GenerationConfig(
        max_new_tokens=generation.max_new_tokens,
        do_sample=generation.do_sample,
        repetition_penalty=generation.repetition_penalty,
        random_seed=generation.seed,
        skip_special_tokens=False,
        **form_fields(request),
        **(sampling if generation.do_sample else {}),
    )


def _info(files: CheckpointFiles, options: LMDeployOptions, config: CheckpointConfig) -> ModelInfo:
    return ModelInfo(
        path=files.name,
        revision=files.revision,
        family=config.text.family,
        template=config.template,
        dtype=quantisation(files.directory) or options.dtype,
        device=f"cuda, {options.tp} GPU{'s' if options.tp > 1 else ''}",
        tile_size=config.tile_size,
        tokens_per_tile=config.tokens_per_tile,
        max_tiles=config.max_tiles,
        use_thumbnail=config.use_thumbnail,
        context_tokens=config.text.context_tokens,
        backend="lmdeploy",
    )


def _typed(error: Exception) -> PipelineError:
    if isinstance(error, PipelineError):
        return error
    return ModelError(f"LMDeploy failed: {type(error).__name__}: {error}")
