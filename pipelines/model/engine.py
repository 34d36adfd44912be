"""The simple engine: requests in from any thread, futures out, one thread that batches them on `generate`."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future

import torch

from pipelines.errors import CancelledError
from pipelines.model.features import FeatureCache
from pipelines.model.intake import admit
from pipelines.model.internvl import InternVL
from pipelines.model.outcome import fail, out_of_memory, resolve, typed
from pipelines.model.run import run_batch
from pipelines.model.schedule import Ticket, next_batch
from pipelines.model.types import ChatRequest, Completion, ModelInfo

_FEATURE_CACHE_BYTES = 512 * 2**20
_LULL_S, _GATHERING_S = 0.01, 0.1
"""A batch starts when nobody has come for so long, or at the latest after so long: seconds, where it runs for many."""


class SimpleEngine:
    """Answers requests in batches formed across everything that waits. The `Backend` of an embedded model.

    Its thread starts with the first request. A batch that fails is halved and tried again, so that only a request
    that fails alone fails: out of memory as ModelOutOfMemoryError, anything unforeseen as ModelError.
    """

    def __init__(
        self, model: InternVL, max_batch_size: int = 16, feature_cache_bytes: int = _FEATURE_CACHE_BYTES
    ) -> None:
        self._model = model
        self._max_batch_size = max_batch_size
        self._cache = FeatureCache(feature_cache_bytes)
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []
        self._running: list[Ticket] = []
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
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="reelmill-engine", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        try:
            while self._schedule():
                self._run(self._running)
        finally:
            self._abandon()

    def _schedule(self) -> bool:
        """Wait for work and take the next batch into `_running`; False when closed. Idle, it holds no request."""
        self._drop_cancelled()
        with self._changed:
            while not self._closed:
                self._gather()
                batch = next_batch(self._waiting, self._max_batch_size)
                self._waiting = [ticket for ticket in self._waiting if ticket not in batch]
                self._running = [ticket for ticket in batch if ticket.future.set_running_or_notify_cancel()]
                if self._running:
                    return True
                if not self._waiting:
                    self._changed.wait()
        return False

    def _gather(self) -> None:
        """Let those join who are being submitted now; else the first of many starts alone, and all wait for it."""
        latest = time.monotonic() + _GATHERING_S
        while 0 < len(self._waiting) < self._max_batch_size and not self._closed and time.monotonic() < latest:
            seen = len(self._waiting)
            self._changed.wait(_LULL_S)
            if len(self._waiting) == seen:
                return

    def _run(self, tickets: Sequence[Ticket]) -> None:
        """Run tickets together; where that fails, in halves."""
        wanted = [ticket for ticket in tickets if not ticket.future.done()]
        if not wanted:
            return
        try:
            run = run_batch(self._model, self._cache, wanted, self._look)
        except Exception as error:  # noqa: BLE001 - nothing that a batch does may end the engine
            failure = error
        else:
            resolve(self._model, run)
            return
        self._recover(wanted, failure)

    def _recover(self, tickets: Sequence[Ticket], failure: Exception) -> None:
        # The failed frames hold the batch's tensors, which the halves need the room of.
        traceback.clear_frames(failure.__traceback__)
        if out_of_memory(failure):
            self._cache.clear()
            torch.cuda.empty_cache()
        if len(tickets) == 1:
            fail(tickets[0], typed(failure))
            return
        half = len(tickets) // 2
        for part in (tickets[:half], tickets[half:]):
            self._run(part)

    def _look(self, ticket: Ticket) -> bool:
        """Between tokens: whether this ticket ends now. Its future knows at once, not at the end of its batch."""
        self._drop_cancelled()
        if ticket.cancelled or self._closed:
            fail(ticket, CancelledError("cancelled" if ticket.cancelled else "the engine is closing"))
        return ticket.future.done()

    def _drop_cancelled(self) -> None:
        with self._changed:
            gone = [ticket for ticket in self._waiting if ticket.cancelled]
            self._waiting = [ticket for ticket in self._waiting if ticket not in gone]
        for ticket in gone:
            fail(ticket, CancelledError("cancelled"))

    def _abandon(self) -> None:
        with self._changed:
            self._closed = True
            left = [*self._running, *self._waiting]
            self._waiting, self._running = [], []
        for ticket in left:
            fail(ticket, CancelledError("the engine is closed"))
