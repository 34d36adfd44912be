"""What a server of the OpenAI interface answers instead of an answer, as our errors."""

from __future__ import annotations

import re

import openai

from pipelines.errors import (
    ContextExceededError,
    ModelError,
    ModelServerError,
    PipelineError,
    PromptError,
    ServerBusyError,
    ServerDeniedError,
    ServerUnavailableError,
)

_TOO_LONG = re.compile(
    r"context[_ ]length|context window|maximum (model )?(context|length)|max_model_len|session_len", re.I
)
_MAX_CHARACTERS = 600
_BUSY, _DENIED = (429, 503), (401, 403, 404)
_PASSING = (408, 409, 425)


def typed(error: Exception, subject: str, secret: str = "") -> PipelineError:
    """The error that a request ends with.

    Args:
        subject: the server, as errors name it.
        secret: never repeated; some servers quote the key that they refuse.
    """
    if isinstance(error, PipelineError):
        return error
    found = _found(error, subject, _said(error, secret))
    # The client's own error holds the request and its headers: it is not carried along.
    found.__suppress_context__ = True
    return found


def _found(error: Exception, subject: str, said: str) -> PipelineError:
    if isinstance(error, openai.APITimeoutError):
        return ServerUnavailableError("did not answer in time", subject=subject)
    if isinstance(error, openai.APIStatusError):
        return _by_status(error.status_code, subject, said)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        return ServerUnavailableError(f"cannot be reached: {type(cause).__name__}: {cause}", subject=subject)
    if isinstance(error, openai.APIError):
        # In the middle of a stream, where there is no status any more.
        kind = ContextExceededError if _TOO_LONG.search(said) else ModelServerError
        return kind(f"broke off: {said}", subject=subject)
    if isinstance(error, openai.OpenAIError):
        return ModelServerError(said, subject=subject)
    return ModelError(f"the backend failed: {type(error).__name__}: {said}", subject=subject)


def _by_status(status: int, subject: str, said: str) -> PipelineError:
    message = f"answered {status}: {said}"
    if status in _BUSY:
        return ServerBusyError(message, subject=subject)
    if status in _DENIED:
        return ServerDeniedError(message, subject=subject)
    if status >= 500 or status in _PASSING:
        return ServerUnavailableError(message, subject=subject)
    if _TOO_LONG.search(said):
        return ContextExceededError(message, subject=subject)
    return PromptError(message, subject=subject, next_step="The server cannot take this request: see what it names")


def _said(error: Exception, secret: str) -> str:
    words = str(error)
    if isinstance(error, openai.APIError) and error.body:
        body = error.body if isinstance(error.body, dict) else {}
        words = str(body.get("message") or body.get("detail") or error.body)
        if body.get("code") == "context_length_exceeded":
            words += " (context_length_exceeded)"
    return (words.replace(secret, "***") if secret else words)[:_MAX_CHARACTERS]
