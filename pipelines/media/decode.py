"""Sandboxed decoding: a few killable processes, fed by any number of threads."""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from pipelines.cancellation import Cancellation
from pipelines.errors import (
    CancelledError,
    DecoderCrashedError,
    DecoderUnavailableError,
    DecodeTimeoutError,
)
from pipelines.media.decoder_process import DecoderProcess
from pipelines.media.live_tiles import LiveTiles
from pipelines.media.spawner import Spawner
from pipelines.media.types import DecodedMedia, DecodeRequest

FILES_PER_PROCESS = 500
"""decord leaks: a process is replaced after so many files."""
IDLE_POLL_S = 0.1
MAX_THREADS_PER_VIDEO = 8
MAX_LIVE_BYTES = 2 * 2**30
"""Of decoded tiles: some 3500 of 448 pixels square."""


class DecodePool:
    """Decodes files in `processes` subprocesses. Files wait here, in the calling threads, when all are busy."""

    def __init__(
        self, processes: int, files_per_process: int = FILES_PER_PROCESS, max_live_bytes: int = MAX_LIVE_BYTES
    ) -> None:
        self._live = LiveTiles(max_live_bytes)
        self._processes, self._files_per_process = processes, files_per_process
        self._lock = threading.Lock()
        self._closed = False
        self._living: set[DecoderProcess] = set()
        self._spawner = Spawner(self._spawn)
        self._idle: queue.SimpleQueue[Future[DecoderProcess]] = queue.SimpleQueue()
        for _ in range(processes):
            self._idle.put(self._spawner.order())

    def decode(self, request: DecodeRequest, cancellation: Cancellation | None = None) -> DecodedMedia:
        """Probe, sample, decode and tile one file; blocks. Safe from many threads at once.

        The tiles are memory shared with the decoder, sealed and freed with the array.

        Raises:
            MediaError: what is wrong with the file, named `request.name`.
            WholeFileNeededError: `request.ranges` should not be read, but the whole file.
            ScenesUnavailableError: scenes are wanted, and what finds them is not installed.
            ReelmillError: what `request.ranges` raised.
            DecoderUnavailableError: no decoder process could be started; passing.
            CancelledError: `cancellation` was set, or the pool is closed. The decoder is killed at once.
        """
        try:
            media = self._decode_once(request, cancellation)
        except DecoderCrashedError:
            # Once may have been the kernel's or an operator's doing; twice is the file's.
            media = self._decode_once(request, cancellation)
        self._live.watch(media.tiles)
        return media

    @property
    def live_bytes(self) -> int:
        """Tiles that were decoded and are still held, in bytes."""
        return self._live.bytes

    def room(self, cancellation: Cancellation | None = None) -> AbstractContextManager[None]:
        """Where a job fetches and decodes: entered while less than `max_live_bytes` of tiles are held or expected.

        Not part of `decode`: jobs of several media, each holding some tiles and waiting for more, would wait forever.

        Raises:
            CancelledError: `cancellation` was set.
        """
        return self._live.room(cancellation)

    def close(self) -> None:
        """Kill the decoders; files in work end with CancelledError."""
        with self._lock:
            self._closed = True
            living = tuple(self._living)
        for process in living:
            process.kill()
        self._spawner.close()
        while not self._idle.empty():
            with suppress(OSError):
                self._idle.get().result().close()

    def process_ids(self) -> tuple[int, ...]:
        """The decoders that live now."""
        with self._lock:
            return tuple(process.pid for process in self._living if process.alive)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _decode_once(self, request: DecodeRequest, cancellation: Cancellation | None) -> DecodedMedia:
        process = self._take(cancellation)
        try:
            return process.decode(self._with_free_cores(request), cancellation)
        except (DecoderCrashedError, DecodeTimeoutError):
            self._check_open()
            raise
        finally:
            self._give_back(process)

    def _with_free_cores(self, request: DecodeRequest) -> DecodeRequest:
        """Threads for a video from the cores that no other decoder needs now; a full pool uses one each."""
        busy = max(1, self._processes - self._idle.qsize())
        threads = min(len(os.sched_getaffinity(0)) // busy, MAX_THREADS_PER_VIDEO)
        if threads <= request.limits.threads:
            return request
        return replace(request, limits=replace(request.limits, threads=threads))

    def _take(self, cancellation: Cancellation | None) -> DecoderProcess:
        """A living decoder that nobody else uses; one that died while it was idle is replaced, and no file blamed."""
        while True:
            starting = self._next_idle(cancellation)
            try:
                process = starting.result()
            except OSError as error:
                self._spawn_another()
                raise DecoderUnavailableError(f"no decoder process could be started ({error})") from error
            if process.alive:
                return process
            self._check_open()
            self._replace(process)

    def _next_idle(self, cancellation: Cancellation | None) -> Future[DecoderProcess]:
        while True:
            self._check_open()
            if cancellation is not None:
                cancellation.check()
            with suppress(queue.Empty):
                return self._idle.get(timeout=IDLE_POLL_S)

    def _give_back(self, process: DecoderProcess) -> None:
        with self._lock:
            reusable = process.in_step and not self._closed and process.files < self._files_per_process
        if reusable:
            self._idle.put(_done(process))
        else:
            self._replace(process)

    def _replace(self, process: DecoderProcess) -> None:
        with self._lock:
            self._living.discard(process)
        process.close()
        self._spawn_another()

    def _spawn_another(self) -> None:
        with self._lock:
            if not self._closed:
                self._idle.put(self._spawner.order())

    def _spawn(self) -> DecoderProcess:
        process = DecoderProcess()
        with self._lock:
            if not self._closed:
                self._living.add(process)
                return process
        process.close()
        raise OSError("the decode pool is closed")

    def _check_open(self) -> None:
        if self._closed:
            raise CancelledError("the decode pool is closed")


def _done(process: DecoderProcess) -> Future[DecoderProcess]:
    future: Future[DecoderProcess] = Future()
    future.set_result(process)
    return future
