"""A conversation as messages of the OpenAI interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipelines.errors import PromptError
from pipelines.model.template import IMAGE_PLACEHOLDER, Conversation
from pipelines.model.types import ChatRequest

Part = dict[str, Any]
Message = dict[str, Any]


def build_messages(
    request: ChatRequest, pictures: Sequence[Part], *, system_message: str | None = None, image_token: str | None = None
) -> list[Message]:
    """The request's turns, oldest first.

    Args:
        pictures: a content part for each picture, in the order of the `<image>`s.
        system_message: said first; None leaves it to the server's template.
        image_token: what the server's model card writes for a picture. Then a turn is one text with this word in the
            pictures' places, and its pictures behind it; without, texts and pictures alternate.

    Raises:
        PromptError: more pictures than `<image>`s.
    """
    conversation = Conversation(request.question, request.history)
    if len(pictures) > conversation.placeholders:
        raise PromptError(
            f"{len(pictures)} pictures for {conversation.placeholders} {IMAGE_PLACEHOLDER} placeholders",
            next_step=f"Write one {IMAGE_PLACEHOLDER} per picture into the question or the history",
        )
    waiting = iter(pictures)
    messages: list[Message] = [{"role": "system", "content": system_message}] if system_message else []
    for question, answer in request.history:
        messages += [_user(question, waiting, image_token), {"role": "assistant", "content": answer}]
    return [*messages, _user(request.question, waiting, image_token)]


def _user(text: str, waiting: Iterator[Part], image_token: str | None) -> Message:
    pieces = _pieces(text, waiting)
    pictures = [piece for piece in pieces if not isinstance(piece, str)]
    if not pictures:
        return {"role": "user", "content": text}
    if image_token is not None:
        words = "".join(piece if isinstance(piece, str) else image_token for piece in pieces)
        return {"role": "user", "content": [_text(words), *pictures]}
    return {"role": "user", "content": [_text(piece) if isinstance(piece, str) else piece for piece in pieces if piece]}


def _pieces(text: str, waiting: Iterator[Part]) -> list[str | Part]:
    """The text cut at its `<image>`s, with pictures in between; where they have run out the word stays."""
    first, *rest = text.split(IMAGE_PLACEHOLDER)
    pieces: list[str | Part] = [first]
    for words in rest:
        pieces += [next(waiting, IMAGE_PLACEHOLDER), words]
    return pieces


def _text(words: str) -> Part:
    return {"type": "text", "text": words}
