"""Conversations become messages: roles in turn, pictures where the prompt has them."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.errors import PromptError
from pipelines.model.backends.messages import build_messages
from pipelines.model.backends.request_fields import request_fields
from pipelines.model.types import ChatRequest
from reelmill.schema import Generation

A, B = {"type": "image_url", "image_url": {"url": "a"}}, {"type": "image_url", "image_url": {"url": "b"}}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def test_frames_and_their_names_alternate() -> None:
    request = ChatRequest("Frame1: <image>\nFrame2: <image>\nWhat happens?")
    assert build_messages(request, [A, B]) == [
        {"role": "user", "content": [text("Frame1: "), A, text("\nFrame2: "), B, text("\nWhat happens?")]}
    ]


def test_with_the_models_own_word_the_text_stays_whole() -> None:
    request = ChatRequest("Frame1: <image>\nFrame2: <image>\nWhat happens?")
    assert build_messages(request, [A, B], image_token="<IMAGE_TOKEN>") == [
        {"role": "user", "content": [text("Frame1: <IMAGE_TOKEN>\nFrame2: <IMAGE_TOKEN>\nWhat happens?"), A, B]}
    ]


def test_history_comes_first_and_keeps_its_pictures() -> None:
    request = ChatRequest("And here?\n<image>", history=(("<image>\nWhat?", "A dog. <image>"), ("Sure?", "Yes.")))
    assert build_messages(request, [A, B], system_message="Be short.") == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [A, text("\nWhat?")]},
        {"role": "assistant", "content": "A dog. <image>"},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": [text("And here?\n"), B]},
    ]


def test_a_word_without_a_picture_stays_a_word() -> None:
    assert build_messages(ChatRequest("What does <image> mean?"), []) == [
        {"role": "user", "content": "What does <image> mean?"}
    ]
    with pytest.raises(PromptError, match="2 pictures for 1 <image>"):
        build_messages(ChatRequest("<image>"), [A, B])


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({}, {"max_tokens": 512, "temperature": 0.0}),
        ({"max_new_tokens": 9, "temperature": 0.3, "top_p": 0.5}, {"max_tokens": 9, "temperature": 0.0}),
        (
            {"do_sample": True, "temperature": 0.3, "top_p": 0.5, "seed": 7},
            {"max_tokens": 512, "temperature": 0.3, "top_p": 0.5, "top_k": 50, "seed": 7},
        ),
        (
            {"do_sample": True, "top_k": 0, "repetition_penalty": 1.2},
            {"max_tokens": 512, "temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.2},
        ),
    ],
)
def test_settings_become_fields_and_those_off_the_standard_only_where_asked_for(
    settings: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert request_fields(Generation(**settings)) == fields


def test_beams_are_refused_not_forgotten() -> None:
    with pytest.raises(PromptError, match="beam search"):
        request_fields(Generation(num_beams=2))
