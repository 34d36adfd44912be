"""The backend of a server with the OpenAI interface: LMDeploy's api_server, vLLM, `transformers serve`, …"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import openai

from pipelines.errors import PipelineError, ServerDeniedError
from pipelines.model.backends.failures import typed
from pipelines.model.backends.in_flight import InFlight
from pipelines.model.backends.likelihood import first_token_likelihood
from pipelines.model.backends.messages import build_messages
from pipelines.model.backends.picture_parts import PictureParts
from pipelines.model.backends.reply import Reply
from pipelines.model.backends.request_fields import form_fields, request_fields
from pipelines.model.backends.saying import Saying
from pipelines.model.types import ChatRequest, Completion, ModelInfo

_CONNECT_S = 10.0
_PATCH_PIXELS = 28
"""Side of the square of pixels that one token of an InternVL tile stands for."""


@dataclass(frozen=True, slots=True)
class OpenAIServer:
    """Where the server is, and how it is spoken to.

    Attributes:
        base_url: with its /v1.
        model: the name that it serves; None for the only one.
        concurrency: most requests in flight; more wait here.
        timeout_s: the longest silence, in seconds, before and between two pieces of an answer.
        tile_size, max_tiles: how pictures are cut, which decides the size at which they are sent.
        image_token, system_message: see `build_messages`.
        extra_body: fields that every request gets besides.
    """

    base_url: str
    api_key: str = field(default="", repr=False)
    model: str | None = None
    concurrency: int = 32
    timeout_s: float = 300.0
    tile_size: int = 448
    max_tiles: int = 12
    image_token: str | None = None
    system_message: str | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What errors and rows call it: host and port, nothing secret."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2] or "the model server"


class OpenAIBackend:
    """Asks a server. A `Backend`: any thread may submit, answers are streamed, so that a cancelled one ends there too.

    What passes (busy, unreachable, 5xx) is tried again twice by the client, which heeds Retry-After; then it is an
    error that the ledger retries.
    """

    def __init__(self, server: OpenAIServer) -> None:
        """Asks the server what it serves.

        Raises:
            ModelServerError: it cannot be reached, refuses the key, or serves several models and none was named.
        """
        self._server = server
        self._client = openai.AsyncOpenAI(
            base_url=server.base_url,
            api_key=server.api_key or "none",
            timeout=openai.Timeout(server.timeout_s, connect=_CONNECT_S),
        )
        self._pictures = PictureParts()
        self._in_flight = InFlight(self._answer, self._typed, server.concurrency)
        try:
            self._info = self._in_flight.run(self._look_up())
        except Exception as error:  # noqa: BLE001 - every one becomes a typed error
            self.close()
            raise self._typed(error) from None

    @property
    def info(self) -> ModelInfo:
        """What the server says that it serves."""
        return self._info

    def submit(self, request: ChatRequest) -> Future[Completion]:
        """Queue a request; what is wrong with it, or with the server, comes out of the future."""
        return self._in_flight.submit(request)

    def close(self) -> None:
        """Break off whatever is under way; it ends with CancelledError."""
        self._in_flight.close()

    async def _answer(self, request: ChatRequest, submitted_at: float) -> Completion:
        pictures = await self._pictures.of(request.visual)
        server = self._server
        messages: list[Any] = build_messages(
            request, pictures, system_message=server.system_message, image_token=server.image_token
        )
        reply = Reply(Saying(request), server.name, submitted_at)
        stream = await self._client.chat.completions.create(
            model=self._info.path,
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={**request_fields(request.generation), **form_fields(request), **server.extra_body},
        )
        async with stream:
            async for chunk in stream:
                if not reply.hear(chunk):
                    break
        completion = reply.completion()
        if request.weighed is None:
            return completion
        return replace(completion, log_likelihood=first_token_likelihood(reply.first_tokens, request.weighed))

    async def _look_up(self) -> ModelInfo:
        served = [model async for model in self._client.models.list()]
        name = self._server.model or _only([model.id for model in served], self._server.name)
        longest = next(((model.model_extra or {}).get("max_model_len") for model in served if model.id == name), None)
        return ModelInfo(
            path=name,
            revision=None,
            family="served",
            template="unknown",
            dtype="unknown",
            device=self._server.name,
            tile_size=self._server.tile_size,
            tokens_per_tile=(self._server.tile_size // _PATCH_PIXELS) ** 2,
            max_tiles=self._server.max_tiles,
            use_thumbnail=True,
            context_tokens=longest if isinstance(longest, int) else 0,
            backend="openai",
        )

    def _typed(self, error: Exception) -> PipelineError:
        return typed(error, self._server.name, self._server.api_key)


def _only(names: list[str], server: str) -> str:
    if len(names) != 1:
        raise ServerDeniedError(
            f"serves {', '.join(names) or 'no model'}",
            subject=server,
            next_step="Name the model that jobs are answered by: `--model NAME`, or REELMILL_MODEL",
        )
    return names[0]
