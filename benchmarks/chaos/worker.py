"""The worker under test: `reelmill worker`, but for a model that reads the number in each picture."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from benchmarks.chaos.pictures import Kind, Picture, UnreadableError, read
from benchmarks.instant import INFO
from pipelines.errors import CancelledError
from pipelines.media import decoder_process
from pipelines.model.types import ChatRequest, Completion
from reelmill.cli.exit_codes import ExitCode
from reelmill.logs import configure_logging
from reelmill.schema import ReelmillError
from reelmill.settings import PREFIX, Settings, load_settings
from worker.lifecycle import run_worker

LOAD_SECONDS = PREFIX + "TEST_CHAOS_LOAD_S"
PR_SET_PDEATHSIG = 1
THREADS = 16
PLAIN_S = 0.04
SLOW_S = 2.0
LOOKS_EVERY_S = 0.05


class ReadingBackend:
    """Answers with the picture's number and the question, after a while; does what the picture's kind says."""

    info = replace(INFO, path="chaos", family="chaos")

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS)

    def submit(self, request: ChatRequest) -> Future[Completion]:
        if request.visual is None:
            raise UnreadableError("a question without a picture")
        picture = read(request.visual.tiles[0])
        if picture.kind is Kind.KILLS:
            os.kill(os.getpid(), signal.SIGKILL)
        if picture.kind is Kind.NO_MEMORY:
            raise MemoryError("asked for by the bench")
        return self._threads.submit(_answer, picture, request)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


def _answer(picture: Picture, request: ChatRequest) -> Completion:
    ends_at = time.monotonic() + (SLOW_S if picture.kind is Kind.SLOW else random.random() * PLAIN_S)
    while (left_s := ends_at - time.monotonic()) > 0:
        if request.cancellation is not None and request.cancellation.requested:
            raise CancelledError("cancelled")
        time.sleep(min(left_s, LOOKS_EVERY_S))
    text = said(picture, request.question.replace("<image>", "").strip())
    return Completion(text, text, (1, 2), 300, "stop")


def said(picture: Picture, question: str) -> str:
    """What the model says of a picture."""
    return f"picture {picture.number} version {picture.version}: {question}"


def load(_: Settings) -> ReadingBackend:
    time.sleep(float(os.environ.get(LOAD_SECONDS, "0")))
    return ReadingBackend()


if __name__ == "__main__":
    # The bench may be killed too.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    decoder_process.CHILD_MODULE = "benchmarks.chaos.child"
    in_force = load_settings()
    configure_logging(in_force)
    try:
        run_worker(in_force, load)
    except ReelmillError as error:
        # As `reelmill worker` does; the bench finds the code in the log.
        sys.stderr.write(f"left: {error.code}: {error}\n")
        sys.exit(ExitCode.of(error))
