"""The backend that the settings ask for."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from urllib.parse import urlsplit

import structlog

from pipelines.errors import ServerBusyError, ServerUnavailableError
from pipelines.model.types import Backend
from reelmill.errors import MissingExtraError
from reelmill.extras import extra
from reelmill.settings import Settings
from worker.errors import WorkerConfigError

log = structlog.get_logger(__name__)
_ASK_AGAIN_S = 2.0


def load_backend(settings: Settings) -> Backend:
    """Load the model, or find the server, that the settings name.

    Raises:
        WorkerConfigError: a setting is missing or cannot be right.
        CheckpointError: the checkpoint cannot be loaded; says which file or key.
        ModelServerError: the server cannot be had.
        MissingExtraError: the backend's library is not installed.
    """
    loaders = {"transformers": _transformers, "openai": _openai, "lmdeploy": _lmdeploy}
    return loaders[settings.backend](settings)


def _transformers(settings: Settings) -> Backend:
    from pipelines.model.load import load_backend

    return load_backend(
        _model(settings),
        revision=settings.model_revision,
        dtype=settings.dtype,
        device=settings.device,
        quantization=settings.quantization,
        past_window=settings.past_window,
        max_batch_size=settings.max_batch_size,
        engine=settings.engine,
    )


def _openai(settings: Settings) -> Backend:
    with extra("openai", purpose="the backend openai"):
        from pipelines.model.backends.openai_server import OpenAIBackend, OpenAIServer

    server = OpenAIServer(
        base_url=_base_url(settings),
        api_key=settings.openai_api_key.get_secret_value() if settings.openai_api_key else "",
        model=settings.model,
        concurrency=settings.openai_concurrency,
        timeout_s=settings.openai_timeout_s,
        tile_size=settings.openai_tile_size,
        max_tiles=settings.openai_max_tiles,
        image_token=settings.openai_image_token,
        system_message=settings.openai_system_message,
        extra_body=settings.openai_extra_body,
    )
    return _once_it_is_up(lambda: OpenAIBackend(server), settings.openai_start_s)


def _lmdeploy(settings: Settings) -> Backend:
    if find_spec("lmdeploy") is None:
        raise MissingExtraError(
            "lmdeploy is not installed",
            subject="the backend lmdeploy",
            next_step="Install it beside reelmill into an environment of their own: see docs/backends.md",
        )
    from pipelines.model.backends.lmdeploy_pipeline import LMDeployBackend, LMDeployOptions

    options = LMDeployOptions(
        revision=settings.model_revision,
        dtype=settings.dtype,
        tp=settings.lmdeploy_tp,
        trust_remote_code=settings.lmdeploy_trust_remote_code,
    )
    return LMDeployBackend.load(_model(settings), options)


def _once_it_is_up(connect: Callable[[], Backend], patience_s: float) -> Backend:
    """A server loads its model for minutes; workers are started beside it."""
    gives_up_at = time.monotonic() + patience_s
    while True:
        try:
            return connect()
        except (ServerUnavailableError, ServerBusyError) as error:
            if time.monotonic() >= gives_up_at:
                raise
            log.info("waiting for the model server", error=error.message, server=error.subject)
            time.sleep(_ASK_AGAIN_S)


def _model(settings: Settings) -> str:
    if settings.model is None:
        raise WorkerConfigError("no model to load", next_step="Give `--model PATH_OR_HUB_ID`, or set REELMILL_MODEL")
    return settings.model


def _base_url(settings: Settings) -> str:
    url = settings.openai_base_url.get_secret_value() if settings.openai_base_url else ""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise WorkerConfigError(
            "is not set" if not url else "is no http:// or https:// address",
            subject="REELMILL_OPENAI_BASE_URL",
            next_step="Set it like http://host:8000/v1",
        )
    return url
