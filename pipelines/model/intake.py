"""A request becomes a ticket: checked, its prompt tokenised, its answer fitted into the window. No tensors yet."""

from __future__ import annotations

import time
from concurrent.futures import Future

import numpy as np

from pipelines.errors import ContextExceededError, PromptError
from pipelines.model.guide import Guide, WeighingGuide
from pipelines.model.internvl import InternVL
from pipelines.model.schedule import Ticket
from pipelines.model.streaming import Listener
from pipelines.model.template import IMAGE_CONTEXT, IMAGE_PLACEHOLDER, Conversation
from pipelines.model.types import ChatRequest, Completion, VisualInput
from reelmill.schema.tasks import Generation


def admit(model: InternVL, request: ChatRequest, future: Future[Completion]) -> Ticket:
    """Check a request and prepare its prompt. Any thread may call it.

    Raises:
        PromptError: pictures, tiles and `<image>`s that do not fit together, or a schema that cannot be kept.
        ContextExceededError: the prompt leaves no room for an answer.
        CancelledError: it was cancelled already.
    """
    if request.cancellation is not None:
        request.cancellation.check()
    conversation = Conversation(request.question, request.history)
    counts = request.visual.tiles_per_image if request.visual is not None else ()
    if request.visual is not None:
        _check_visual(request.visual, model.info.tile_size)
    _check_text(conversation, len(counts))
    ids = tuple(model.prompt_ids(conversation, counts))
    generation, guide = _guided(model, request)
    room = model.room(len(ids), generation.max_new_tokens)
    if request.weighed is not None and room < generation.max_new_tokens:
        raise ContextExceededError("there is no room in the model's window behind the prompt for the longest choice")
    return Ticket(
        ids=ids,
        visual=request.visual if counts else None,
        generation=generation,
        max_new_tokens=room,
        cancellation=request.cancellation,
        future=future,
        submitted_at=time.monotonic(),
        stretch=model.config.text.rope.stretch(len(ids), room),
        listener=Listener(request.on_text) if request.on_text is not None else None,
        guide=guide,
    )


def _guided(model: InternVL, request: ChatRequest) -> tuple[Generation, Guide | None]:
    """The request's settings and its guide. An answer that is weighed is neither sampled nor penalised."""
    if request.weighed is not None:
        ids = model.answer_ids(request.weighed.answer)
        return Generation(max_new_tokens=len(ids)), WeighingGuide(ids)
    if request.json_schema is not None:
        return request.generation, model.tokenizer.grammars.guide(request.json_schema)
    return request.generation, None


def _check_text(conversation: Conversation, pictures: int) -> None:
    if not conversation.question.strip():
        raise PromptError("the question is empty")
    if conversation.placeholders != pictures:
        raise PromptError(
            f"{conversation.placeholders} {IMAGE_PLACEHOLDER} in the user's turns for {pictures} pictures",
            next_step=f"Write one {IMAGE_PLACEHOLDER} per picture, and none beside",
        )
    if any(IMAGE_CONTEXT in text for turn in conversation.history for text in turn) or (
        IMAGE_CONTEXT in conversation.question
    ):
        raise PromptError(f"the text holds {IMAGE_CONTEXT}, which stands for what pictures show")


def _check_visual(visual: VisualInput, tile_size: int) -> None:
    if visual.tiles.dtype != np.uint8 or visual.tiles.shape[1:] != (tile_size, tile_size, 3):
        raise PromptError(
            f"tiles are {visual.tiles.dtype} {list(visual.tiles.shape)}, not uint8 [n, {tile_size}, {tile_size}, 3]"
        )
    if min(visual.tiles_per_image, default=1) < 1 or sum(visual.tiles_per_image) != len(visual.tiles):
        raise PromptError(
            f"tiles_per_image {list(visual.tiles_per_image)} does not add up to {len(visual.tiles)} tiles"
        )
    if len(visual.content_keys) != len(visual.tiles_per_image):
        raise PromptError(f"{len(visual.content_keys)} content keys for {len(visual.tiles_per_image)} pictures")
