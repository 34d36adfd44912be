"""A thread that lives as long as its owner: the kernel ends a decoder with the thread that started it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

from pipelines.media.decoder_process import DecoderProcess

Start = Callable[[], DecoderProcess]


class Spawner:
    """Starts decoder processes, one after the other.

    No ThreadPoolExecutor: its threads end when the interpreter begins to, while jobs may still run.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._orders: queue.SimpleQueue[Future[DecoderProcess] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="decoder-spawner", daemon=True)
        self._thread.start()

    def order(self) -> Future[DecoderProcess]:
        """A process that is being started; the future raises OSError if it cannot be."""
        future: Future[DecoderProcess] = Future()
        self._orders.put(future)
        return future

    def close(self) -> None:
        """Finish what was ordered, then end the thread, and with it what it started."""
        self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                order.set_result(self._start())
            except Exception as error:  # noqa: BLE001 - the one who waits gets it
                order.set_exception(error)
