"""One killable decoder process, as its parent sees it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from array import array
from contextlib import suppress
from pathlib import Path

import pipelines
from pipelines.cancellation import Cancellation
from pipelines.errors import DecoderCrashedError, DecoderUnavailableError, DecodeTimeoutError
from pipelines.media import wire
from pipelines.media.range_server import RangeServer
from pipelines.media.shared_tiles import map_tiles
from pipelines.media.types import DecodedMedia, DecodeRequest

CHILD_MODULE = "pipelines.media.child"
START_TIMEOUT_S = 60.0
CANCELLATION_POLL_MS = 50
INHERITED_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")
"""All that a decoder gets to know of the worker's environment: no credentials."""


class DecoderProcess:
    """A fresh interpreter that decodes one file at a time. One thread at a time may use it; any may kill it.

    `in_step` is whether it has answered all that it was asked: if not, kill it.

    Has to be made by a thread that lives as long as the process should: the kernel takes that thread's end for the
    parent's.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._stderr = os.memfd_create("decoder-stderr", os.MFD_CLOEXEC)
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", CHILD_MODULE, str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                env=_environment(),
            )
        self._channel = ours
        self._ready = False
        self.files = 0
        self.in_step = True

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def decode(self, request: DecodeRequest, cancellation: Cancellation | None) -> DecodedMedia:
        """Have a file decoded.

        Raises:
            MediaError: what the decoder found.
            WholeFileNeededError: it should not be read by ranges.
            ScenesUnavailableError: scenes are wanted, and what finds them is not installed.
            ReelmillError: what `request.ranges` raised.
            DecodeTimeoutError: past `request.limits.timeout_s`.
            DecoderCrashedError: it died, or answered nonsense.
            DecoderUnavailableError: it did not start.
            CancelledError: the job was cancelled.
        """
        self.in_step = False
        self._await_ready(cancellation)
        self.files += 1
        with _Exchange(self._channel, time.monotonic() + request.limits.timeout_s, cancellation) as exchange:
            server = RangeServer(request.ranges)
            try:
                exchange.send(wire.pack_request(request))
                body = exchange.answer_questions(server)
            except TimeoutError:
                message = f"decoding took longer than {request.limits.timeout_s:g} s"
                raise DecodeTimeoutError(message, subject=request.name) from None
            except (OSError, EOFError) as error:
                raise DecoderCrashedError(f"the decoder died ({self._last_words()})", subject=request.name) from error
            self.in_step = True
            if server.failure is not None:
                raise server.failure
            return self._decoded(body, exchange.descriptor, request.name)

    def kill(self) -> None:
        """End the process at once and wait for it. Safe to repeat, and from any thread."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill, and give back what it held here. By its user only."""
        self.kill()
        self._channel.close()
        if self._stderr >= 0:
            os.close(self._stderr)
            self._stderr = -1

    def _await_ready(self, cancellation: Cancellation | None) -> None:
        if self._ready:
            return
        try:
            with _Exchange(self._channel, time.monotonic() + START_TIMEOUT_S, cancellation) as exchange:
                greeting = exchange.receive()
        except (OSError, EOFError) as error:
            raise DecoderUnavailableError(f"the decoder process did not start ({self._last_words()})") from error
        if greeting != wire.READY:
            raise DecoderUnavailableError("the decoder process answered nonsense at its start")
        self._ready = True

    def _decoded(self, body: bytes, descriptor: int, name: str) -> DecodedMedia:
        try:
            reply = wire.unpack_reply(body, name)
            return reply.with_tiles(map_tiles(descriptor, reply.tile_count, reply.tile_size))
        except (ValueError, TypeError, KeyError, OSError) as error:
            self.in_step = False
            raise DecoderCrashedError(f"the decoder answered nonsense ({error})", subject=name) from error

    def _last_words(self) -> str:
        """How it ended: the signal or exit status, and the last line that it wrote."""
        self.kill()
        status = self._process.returncode
        ending = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        size = os.fstat(self._stderr).st_size
        lines = os.pread(self._stderr, 4096, max(0, size - 4096)).decode("utf-8", "replace").strip().splitlines()
        return f"{ending}: {lines[-1][:300]}" if lines else ending


class _Exchange:
    """One request and its answer, with a deadline, looking at a cancellation while it waits.

    Raises:
        TimeoutError: the deadline has passed.
        EOFError: the other side has closed.
        CancelledError: the job was cancelled.
    """

    def __init__(self, channel: socket.socket, deadline: float, cancellation: Cancellation | None) -> None:
        self._channel, self._deadline, self._cancellation = channel, deadline, cancellation
        self.descriptor = -1

    def __enter__(self) -> _Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def send(self, body: bytes) -> None:
        left = memoryview(wire.framed(body))
        while left:
            # A decoder that does not take its answer must not hold us past the deadline.
            self._wait(select.POLLOUT)
            with suppress(BlockingIOError):
                left = left[self._channel.send(left, socket.MSG_DONTWAIT) :]

    def answer_questions(self, server: RangeServer) -> bytes:
        """The next message that is no question; time that the server waited is added to the deadline."""
        deadline = self._deadline
        while (question := wire.unpack_range(body := self.receive())) is not None:
            answer = server.answer(question)
            self._deadline = deadline + server.waited_s
            self.send(answer)
        return body

    def receive(self) -> bytes:
        head = self._exactly(wire.LENGTH.size)
        size: int = wire.LENGTH.unpack(head)[0]
        if size > wire.MAX_MESSAGE_BYTES:
            raise EOFError("message too long")
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._wait(select.POLLIN)
            part = self._receive_part(size - len(data))
            if not part:
                raise EOFError("the decoder process closed its end")
            data += part
        return bytes(data)

    def _receive_part(self, size: int) -> bytes:
        part, ancillary, _, _ = self._channel.recvmsg(size, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self._keep(array("i", data[: len(data) // 4 * 4]))
        return part

    def _keep(self, descriptors: array[int]) -> None:
        for descriptor in descriptors:
            if self.descriptor >= 0:
                os.close(self.descriptor)
            self.descriptor = descriptor

    def _wait(self, event: int) -> None:
        """Until there is something to read, or room to write."""
        poller = select.poll()
        poller.register(self._channel, event)
        while True:
            if self._cancellation is not None:
                self._cancellation.check()
            left_ms = (self._deadline - time.monotonic()) * 1000
            if left_ms <= 0:
                raise TimeoutError
            slice_ms = min(left_ms, CANCELLATION_POLL_MS) if self._cancellation is not None else left_ms
            if poller.poll(slice_ms):
                return


def _environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    root = str(Path(pipelines.__file__).resolve().parent.parent)
    search_path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return {**inherited, **threads, "PYTHONPATH": search_path, "PYTHONUNBUFFERED": "1", "CUDA_VISIBLE_DEVICES": ""}
