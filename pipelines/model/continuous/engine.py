"""The continuous engine: requests join and leave a running batch between two tokens."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import Future

from pipelines.errors import CancelledError, ModelError, ModelOutOfMemoryError
from pipelines.model.continuous.budget import Budget, budget_for
from pipelines.model.continuous.flight import Flight, Landed
from pipelines.model.continuous.slots import LAST_ID
from pipelines.model.continuous.suspects import Suspects
from pipelines.model.engine import SimpleEngine
from pipelines.model.intake import admit
from pipelines.model.internvl import InternVL
from pipelines.model.outcome import fail, out_of_memory, resolve, typed
from pipelines.model.run import BatchRun, Row
from pipelines.model.schedule import Ticket
from pipelines.model.types import ChatRequest, Completion, ModelInfo


class ContinuousEngine:
    """Answers requests over one cache, and what does not go over it with a SimpleEngine. A `Backend`.

    Its thread starts with the first request. When a step fails, what was in flight is tried again, less at a time, so
    that only a request that fails alone fails; what memory ran out with is not tried again.
    """

    def __init__(
        self, model: InternVL, max_batch_size: int = 16, budget: Budget | None = None, last_id: int = LAST_ID
    ) -> None:
        """`max_batch_size` is the simple engine's; `last_id` bounds the ids of the visual vocabulary.

        Raises:
            ModelError: the model is spread over several devices.
        """
        if model.sharded:
            raise ModelError("continuous batching keeps its cache on one device; this model is spread over several")
        self._model = model
        self._simple = SimpleEngine(model, max_batch_size)
        network = model.network
        budget = budget or budget_for(network.language_model.config, network.dtype, network.device)
        self._suspects = Suspects(budget)
        self._flight = Flight(model, budget, last_id)
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def info(self) -> ModelInfo:
        """What is served."""
        return self._model.info

    def submit(self, request: ChatRequest) -> Future[Completion]:
        """Queue a request; what is wrong with it comes out of the future, before any work is spent on it."""
        future: Future[Completion] = Future()
        try:
            ticket = admit(self._model, request, future)
        except Exception as error:  # noqa: BLE001 - the future is where a request's errors go
            future.set_exception(typed(error))
            return future
        if not self._suits(ticket):
            return self._simple.submit(request)
        with self._changed:
            if self._closed:
                future.set_exception(CancelledError("the engine is closed"))
                return future
            self._waiting.append(ticket)
            self._start()
            self._changed.notify()
        return future

    def close(self) -> None:
        """Stop between two tokens. What is queued or running fails with CancelledError."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._simple.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _suits(self, ticket: Ticket) -> bool:
        """Whether the cache serves the request as if it were alone: no beams, and within the rope's window."""
        tiles = 0 if ticket.visual is None else len(ticket.visual.tiles)
        fits = self._flight.could_hold(tiles) and _tokens(ticket) <= self._suspects.budget.cache_tokens
        return fits and ticket.generation.num_beams == 1 and ticket.stretch == "within"

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="reelmill-engine", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        try:
            while self._wait():
                self._turn()
        finally:
            self._abandon()

    def _wait(self) -> bool:
        """Until there is something to do; False when closed. Idle, the engine holds no request."""
        with self._changed:
            while not (self._closed or self._waiting or self._suspects.waiting or self._flight.busy):
                self._changed.wait()
            return not self._closed

    def _turn(self) -> None:
        """One token for everybody in flight."""
        self._drop_unwanted()
        try:
            self._schedule()
            landed = self._flight.step()
        except Exception as error:  # noqa: BLE001 - nothing that a step does may end the engine
            failure = error
        else:
            for one in landed:
                self._answer(one)
            return
        self._recover(failure)

    def _schedule(self) -> None:
        """Let those start who can: suspects before, and instead of, everybody else."""
        budget = self._suspects.budget
        queue = self._queue()
        for ticket in queue:
            if _tokens(ticket) > budget.cache_tokens:
                fail(ticket, ModelOutOfMemoryError(f"{_tokens(ticket)} tokens do not fit into what memory is left"))
        self._unqueue(self._flight.board([ticket for ticket in queue if not ticket.future.done()], budget))

    def _queue(self) -> list[Ticket]:
        with self._changed:
            return list(self._suspects.waiting if self._suspects.any else self._waiting)

    def _unqueue(self, tickets: Sequence[Ticket]) -> None:
        gone = set(tickets)
        self._suspects.waiting = [ticket for ticket in self._suspects.waiting if ticket not in gone]
        with self._changed:
            self._waiting = [ticket for ticket in self._waiting if ticket not in gone]

    def _drop_unwanted(self) -> None:
        """Requests that were cancelled, by flag or by their future, wherever they are."""
        with self._changed:
            queued = [*self._suspects.waiting, *self._waiting]
        flying = [ticket for ticket in self._flight.tickets if ticket.cancelled]
        for ticket in flying:
            self._flight.drop(ticket)
        gone = [ticket for ticket in queued if ticket.future.done() or ticket.cancelled]
        self._unqueue(gone)
        for ticket in [*flying, *gone]:
            fail(ticket, CancelledError("cancelled"))
            self._suspects.cleared(ticket)

    def _answer(self, landed: Landed) -> None:
        run = BatchRun(
            rows=(Row(landed.ticket, landed.token_ids),),
            started_at=landed.started_at,
            vision_s=landed.vision_s,
            prefill_s=landed.prefill_s,
            generate_s=landed.generate_s,
        )
        resolve(self._model, run)
        self._suspects.cleared(landed.ticket)

    def _recover(self, failure: Exception) -> None:
        # The failed frames hold the step's tensors, which the next try needs the room of.
        traceback.clear_frames(failure.__traceback__)
        # Whoever came first is suspected where nobody was in flight: else the same would fail forever.
        tickets = self._flight.tickets or self._queue()[:1]
        self._unqueue(tickets)
        self._flight.clear()
        if not tickets:
            return
        convicted = self._suspects.accuse(tickets, out_of_memory(failure))
        if convicted is not None:
            fail(convicted, typed(failure))

    def _abandon(self) -> None:
        with self._changed:
            self._closed = True
            left = [*self._suspects.waiting, *self._waiting, *self._flight.tickets]
            self._waiting, self._suspects.waiting = [], []
        self._flight.clear()
        for ticket in left:
            fail(ticket, CancelledError("the engine is closed"))


def _tokens(ticket: Ticket) -> int:
    return len(ticket.ids) + ticket.max_new_tokens
