"""Requests on their way elsewhere: an event loop in a thread of its own, a bounded number under way at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pipelines.errors import CancelledError, PipelineError
from pipelines.model.types import ChatRequest, Completion

ResultT = TypeVar("ResultT")
Answer = Callable[[ChatRequest, float], Awaitable[Completion]]
"""Answers a request that was submitted at this time.perf_counter()."""
_LOOK_S = 0.05
"""How often the requests under way are asked whether anybody still wants them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    request: ChatRequest
    future: Future[Completion]

    @property
    def unwanted(self) -> bool:
        cancellation = self.request.cancellation
        return self.future.cancelled() or (cancellation is not None and cancellation.requested)


class InFlight:
    """Futures for requests. Any thread may submit; `answer` runs on the loop, so one thread holds all connections."""

    def __init__(self, answer: Answer, typed: Callable[[Exception], PipelineError], concurrency: int) -> None:
        """`typed` makes of whatever `answer` raises the error that a future ends with."""
        self._answer = answer
        self._typed = typed
        self._room = asyncio.Semaphore(concurrency)
        self._asked: dict[asyncio.Task[None], _Asked] = {}
        self._watch: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="reelmill-backend", daemon=True)
        self._thread.start()

    def submit(self, request: ChatRequest) -> Future[Completion]:
        """Queue a request; whatever goes wrong comes out of the future."""
        asked = _Asked(request, Future())
        with self._lock:
            if self._closed:
                asked.future.set_exception(CancelledError("the backend is closed"))
            else:
                self._loop.call_soon_threadsafe(self._start, asked)
        return asked.future

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Do something on the loop and wait for it. Not from the loop itself."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Whatever is under way ends with CancelledError; nothing is left behind."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.run(self._abandon())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _start(self, asked: _Asked) -> None:
        task = self._loop.create_task(self._serve(asked, time.perf_counter()))
        self._asked[task] = asked
        task.add_done_callback(lambda done: self._asked.pop(done, None))
        if self._watch is None:
            self._watch = self._loop.create_task(self._look())

    async def _serve(self, asked: _Asked, submitted_at: float) -> None:
        try:
            async with self._room:
                completion = await self._answer(asked.request, submitted_at)
        except asyncio.CancelledError:
            _fail(asked, CancelledError("cancelled"))
        except Exception as error:  # noqa: BLE001 - the future is where a request's errors go
            _fail(asked, self._typed(error))
        else:
            with suppress(InvalidStateError):  # its owner cancelled it meanwhile
                asked.future.set_result(completion)

    async def _look(self) -> None:
        """While requests are under way: those that nobody wants end, wherever they are."""
        while self._asked:
            for task, asked in list(self._asked.items()):
                if asked.unwanted:
                    _fail(asked, CancelledError("cancelled"))
                    task.cancel()
            await asyncio.sleep(_LOOK_S)
        self._watch = None

    async def _abandon(self) -> None:
        tasks = list(self._asked)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._watch is not None:
            self._watch.cancel()


def _fail(asked: _Asked, error: PipelineError) -> None:
    with suppress(InvalidStateError):  # it ended already, or its owner cancelled it
        asked.future.set_exception(error)
