"""How a request ends: with its completion, or with a typed error. What every engine shares."""

from __future__ import annotations

from concurrent.futures import InvalidStateError
from contextlib import suppress

import torch

from pipelines.errors import ModelError, ModelOutOfMemoryError, PipelineError
from pipelines.model.internvl import InternVL
from pipelines.model.repetition import loops
from pipelines.model.run import BatchRun
from pipelines.model.schedule import Ticket
from pipelines.model.types import Completion


def resolve(model: InternVL, run: BatchRun) -> None:
    for row in run.rows:
        if row.ticket.future.done():
            continue
        reader = model.reader(row.ticket.generation)
        answer = reader.answer(row.token_ids)
        if row.ticket.listener is not None:
            row.ticket.listener.hear(answer)
        stopped = model.tokenizer.stop_id in row.token_ids or reader.stopped(row.token_ids)
        row.ticket.future.set_result(
            Completion(
                text=answer,
                raw_text=model.tokenizer.decode_raw(row.token_ids),
                token_ids=row.token_ids,
                prompt_tokens=len(row.ticket.ids),
                finish_reason="stop" if stopped else "repetitive" if loops(row.token_ids) else "length",
                wait_s=run.started_at - row.ticket.submitted_at,
                vision_s=run.vision_s,
                generate_s=run.generate_s,
                prefill_s=run.prefill_s,
                log_likelihood=None if row.ticket.guide is None else row.ticket.guide.log_likelihood,
            )
        )


def fail(ticket: Ticket, error: Exception) -> None:
    with suppress(InvalidStateError):  # it ended already, or its owner cancelled it
        ticket.future.set_exception(error)


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; torch's CPU allocator and cuBLAS say so in words only."""
    words = ("can't allocate memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error) for word in words)


def typed(error: Exception) -> PipelineError:
    if isinstance(error, PipelineError):
        return error
    if out_of_memory(error):
        typed: PipelineError = ModelOutOfMemoryError(f"one request alone does not fit ({error})")
    else:
        typed = ModelError(f"the model failed: {type(error).__name__}: {error}")
    typed.__cause__ = error
    return typed
