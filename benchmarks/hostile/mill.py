"""A worker's storage, intake and decoders in a process of their own, which hostile files may try to end."""

from __future__ import annotations

import multiprocessing
import os
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.hostile.pictures import has_colour, number_of, shows_secret
from pipelines.cancellation import Cancellation
from pipelines.media.decode import DecodePool
from pipelines.media.types import TilingSpec
from reelmill.schema.errors import ReelmillError
from reelmill.schema.tasks import Sampling
from reelmill.settings import Settings
from worker.intake import Intake
from worker.storage import Storage

TILE_PX = 224
SEGMENTS = 8
POLL_S = 0.01
ANSWER_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one file. `problem`: neither frames nor a typed error; memory is the decoders' highest, in MB."""

    code: str = ""
    message: str = ""
    problem: str = ""
    numbers: tuple[tuple[int, int], ...] = ()
    frame_count: int = 0
    coloured: bool = False
    secret: bool = False
    decode_errors: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    worker_peak_mb: float = 0.0


@dataclass(slots=True)
class Worker:
    """The process, and the questions to it. Started again when it dies, which is counted."""

    settings: dict[str, Any]
    restarts: int = -1
    _process: Any = None
    _channel: Connection | None = field(default=None, repr=False)

    def look(self, uri: str) -> Seen:
        """Have a file read."""
        if self._channel is None:
            self._start()
        channel = self._channel
        try:
            if channel is None:
                raise EOFError
            channel.send(uri)
            if not channel.poll(ANSWER_TIMEOUT_S):
                raise EOFError("no answer")
            seen: Seen = channel.recv()
        except (EOFError, OSError) as error:
            self.close()
            return Seen(problem=f"the worker died ({error})")
        return seen

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._channel = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._channel, theirs = context.Pipe()
        # Not a daemon: those may not have children, and the decoders are.
        self._process = context.Process(target=_serve, args=(theirs, self.settings))
        self._process.start()
        theirs.close()
        self.restarts += 1


def _serve(channel: Connection, values: dict[str, Any]) -> None:
    settings = Settings(**values)
    with DecodePool(settings.decode_processes) as pool:
        intake = Intake(settings, Storage(settings), pool, Path(values["download_dir"]))
        with suppress(EOFError):
            while True:
                channel.send(_look(intake, channel.recv()))


def _look(intake: Intake, uri: str) -> Seen:
    with _Meter(intake.decoders) as meter:
        seen = _taken(intake, uri)
    return replace(seen, seconds=meter.seconds, peak_mb=meter.peak_mb, worker_peak_mb=meter.worker_mb)


def _taken(intake: Intake, uri: str) -> Seen:
    """What a job's runner does with each of its media."""
    cancellation = Cancellation()
    sampling, tiling = Sampling(num_segments=SEGMENTS), TilingSpec(TILE_PX, 1)
    try:
        with intake.storage.open(uri, None, intake.download_dir, cancellation) as found:
            taken = intake.take(uri, found, sampling, tiling, cancellation)
    except ReelmillError as error:
        named = uri in str(error) and bool(error.message)
        return Seen(code=error.code, message=str(error), problem="" if named else f"does not name its file: {error}")
    except BaseException as error:  # noqa: BLE001 - that is what is looked for
        return Seen(problem=f"{type(error).__name__}: {error}")
    tiles = np.asarray(taken.decoded.tiles)
    frames = [frame for segment in taken.decoded.segments for frame in segment.frames]
    return Seen(
        numbers=tuple((frame.index, number_of(tile)) for frame, tile in zip(frames, tiles, strict=True)),
        frame_count=taken.decoded.info.frame_count,
        coloured=all(has_colour(tile) for tile in tiles),
        secret=any(shows_secret(tile) for tile in tiles),
        decode_errors=taken.decoded.decode_errors,
    )


class _Meter:
    """Seconds, and the highest resident memory of the decoders that live meanwhile."""

    def __init__(self, pool: DecodePool) -> None:
        self._pool = pool
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seconds = self.peak_mb = self.worker_mb = 0.0

    def __enter__(self) -> _Meter:
        for process_id in self._pool.process_ids():
            with suppress(OSError):
                # "5" sets the high-water mark back to what is resident now.
                Path(f"/proc/{process_id}/clear_refs").write_text("5")
        self._started = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self._done.set()
        self._thread.join()
        self._read()

    def _watch(self) -> None:
        while not self._done.wait(POLL_S):
            self._read()

    def _read(self) -> None:
        self.peak_mb = max([self.peak_mb, *map(_high_water_mb, self._pool.process_ids())])
        self.worker_mb = max(self.worker_mb, _high_water_mb(os.getpid()))


def _high_water_mb(process_id: int) -> float:
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process_id}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return 0.0
