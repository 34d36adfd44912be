"""OpenAI's batch files: a chat completion per line, with its images in S3, becomes a job per line.

What cannot be done as asked (several choices, tools, earlier turns of the assistant, …) makes a line bad; nothing is
left out silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reelmill.errors import SpecError
from reelmill.schema import JobSpec
from reelmill.specs import job_spec

URL = "/v1/chat/completions"
CUSTOM_ID = "custom_id"
HARMLESS = frozenset({"model", "messages", "user", "metadata", "store", "service_tier", "safety_identifier"})
ONLY: Mapping[str, tuple[Any, ...]] = {
    "n": (1, None),
    "stream": (False, None),
    "response_format": ({"type": "text"}, None),
    "logprobs": (False, None),
    "frequency_penalty": (0, None),
    "presence_penalty": (0, None),
    "tools": ([], None),
}
"""Parameters that are understood only where they say what is done anyway."""


def openai_job(template: Mapping[str, Any], token_prefix: str) -> Callable[[Mapping[str, Any]], JobSpec]:
    """Makes a line's job; its `custom_id` becomes a label. A model in the template goes before the line's.

    Temperature 0, or none, is greedy; any other one samples. Names are told apart within the batch by `token_prefix`.
    """

    def job(line: Mapping[str, Any]) -> JobSpec:
        custom_id, body = line.get(CUSTOM_ID), line.get("body")
        if not isinstance(custom_id, str) or not custom_id:
            raise SpecError("is missing", subject=CUSTOM_ID)
        if line.get("method") != "POST" or line.get("url") != URL:
            raise SpecError(f"only POST {URL} is understood", subject="url")
        if not isinstance(body, dict):
            raise SpecError("is missing", subject="body")
        media, question = _asked(body.get("messages"))
        labels = {**(template.get("labels") or {}), CUSTOM_ID: custom_id}
        return job_spec(
            {
                "model": body.get("model"),
                **template,
                "media": media,
                "tasks": [{"kind": "ask", "questions": [question]}],
                "generation": _generation(body),
                "client_token": f"{token_prefix}:{custom_id}",
                "labels": labels,
            }
        )

    return job


def _asked(messages: Any) -> tuple[list[str], str]:
    """The images, in order, and the question: the text of the system and of the one user message."""
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise SpecError("not a list of messages", subject="messages")
    roles = [message.get("role") for message in messages]
    if roles not in (["user"], ["system", "user"], ["developer", "user"]):
        raise SpecError("one user message is understood, and one system message before it", subject="messages")
    media: list[str] = []
    texts = [_text(message.get("content"), media) for message in messages]
    if not media:
        raise SpecError("there is no image_url in it", subject="messages")
    return media, "\n".join(text for text in texts if text)


def _text(content: Any, media: list[str]) -> str:
    """The text of a message; adds its images to `media`."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise SpecError("neither text nor a list of parts", subject="content")
    return "\n".join(text for text in (_part(part, media) for part in content) if text)


def _part(part: Any, media: list[str]) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    value = part.get(kind) if kind in ("text", "image_url") else None
    if kind == "text" and isinstance(value, str):
        return value
    url = value.get("url") if isinstance(value, dict) else value
    if kind != "image_url" or not isinstance(url, str):
        raise SpecError("a part is neither text nor image_url", subject="content")
    media.append(url)
    return ""


def _generation(body: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in body.items():
        if name not in (*HARMLESS, *KNOWN) and value not in _allowed(name):
            raise SpecError("is not understood" if name not in ONLY else f"{value!r} is not possible", subject=name)
    temperature = body.get("temperature")
    limits = [body[name] for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
    named = {
        "max_new_tokens": limits[0] if limits else None,
        "do_sample": True if temperature else None,
        "temperature": temperature or None,
        "top_p": body.get("top_p") if temperature else None,
        "seed": body.get("seed"),
        "stop": body.get("stop"),
    }
    return {name: value for name, value in named.items() if value is not None}


KNOWN = frozenset({"temperature", "top_p", "seed", "stop", "max_tokens", "max_completion_tokens"})


def _allowed(name: str) -> Sequence[Any]:
    return ONLY.get(name, (None,))
