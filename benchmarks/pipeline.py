"""Do the stages overlap: a real batch through worker, decode pool and engine over its longer stage run alone.

JPEGs captioned by the shapes model (`demo/model`): decoding has one core to itself, the model the other. Pictures are
sized so that the two stages alone take about the same time; all three are measured in turns, and medians are told.

The whole worker is on the model's core: its claims, hashing and writing beside the model's steps. Postgres and Redis
are nobody's stage and run where the kernel puts them; `batch_services` is the CPU that they took.

`cpu_ratio` is the same of CPU seconds: the busier side of the batch over the busier stage alone. It hardly minds what
else runs on the machine, sees what working together costs, and not what waiting for each other does.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import torch
from PIL import Image
from redis import Redis

from benchmarks._processes import children, cpu_s
from benchmarks.images import photo_like
from benchmarks.mill import own_mill, worker
from pipelines.analytics.interview import Interview
from pipelines.analytics.scene import Scene, SourceMedia, build_scenes, tiling_for
from pipelines.cancellation import Cancellation
from pipelines.media.decode import DecodePool
from pipelines.media.types import DecodeRequest
from pipelines.model.load import load_backend
from pipelines.model.types import Backend
from reelmill import Caption, Client, Generation, JobSpec, Sampling
from reelmill.embedded import ServiceUrls

MODEL = Path(__file__).parent.parent / "demo" / "model"
DECODE_CORE, MODEL_CORE = 0, 1
TASKS, SAMPLING, GENERATION = (Caption(),), Sampling(max_tiles=6), Generation(max_new_tokens=16)
CALIBRATION_JOBS, CALIBRATIONS = 32, 3
BALANCED = 0.15
"""How far apart the stages may be after calibration; measured, they are to be within 30%."""
FIRST_SIDE_PX, ASPECT = 2000, 0.75
SETTINGS = {"model": str(MODEL), "dtype": "float32", "decode_processes": "1", "log_level": "WARNING"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, default=192)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engine", choices=("simple", "continuous"), default="continuous")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        with _on_core(MODEL_CORE):
            backend = load_backend(str(MODEL), dtype="float32", device="cpu", engine=arguments.engine)
        with DecodePool(1) as pool:
            alone = _Alone(backend, pool, arguments.concurrency)
            media = _balanced(alone, Path(folder), arguments.jobs + arguments.concurrency)
            rounds = [_round(alone, media, folder, arguments) for _ in range(arguments.repeats)]
        backend.close()
    return {
        "ratio": _median(each.batch.wall_s / max(each.decode.wall_s, each.model.wall_s) for each in rounds),
        "decode_s": _median(each.decode.wall_s for each in rounds),
        "model_s": _median(each.model.wall_s for each in rounds),
        "batch_s": _median(each.batch.wall_s for each in rounds),
        "cpu_ratio": _median(each.cpu_ratio for each in rounds),
        "cpu_s": {
            "decode": _median(each.decode.decoder_cpu_s for each in rounds),
            "model": _median(each.model.own_cpu_s for each in rounds),
            "batch_decoder": _median(each.batch.decoder_cpu_s for each in rounds),
            "batch_worker": _median(each.batch.own_cpu_s for each in rounds),
            "batch_services": _median(each.batch.services_cpu_s for each in rounds),
        },
        "jobs": arguments.jobs,
        "engine": arguments.engine,
        "load_average": round(os.getloadavg()[0], 1),
    }


def _median(numbers: Iterable[float]) -> float:
    return round(statistics.median(numbers), 3)


@dataclass(frozen=True, slots=True)
class _Taken:
    """Seconds by the clock, and of CPU in the process that has the model, in its decoders, in Postgres and Redis."""

    wall_s: float
    own_cpu_s: float
    decoder_cpu_s: float
    services_cpu_s: float


@dataclass(frozen=True, slots=True)
class _Round:
    decode: _Taken
    model: _Taken
    batch: _Taken

    @property
    def cpu_ratio(self) -> float:
        alone = max(self.decode.decoder_cpu_s, self.model.own_cpu_s)
        return max(self.batch.decoder_cpu_s, self.batch.own_cpu_s) / alone


class _Stopwatch:
    """Counts from now on what a process, its decoders and the services take."""

    def __init__(self, pid: int, decoders: Iterable[int], services: Iterable[int] = ()) -> None:
        self._processes = ((pid,), tuple(decoders), tuple(services))
        self._started_at = time.perf_counter()
        self._before_s = self._cpu_s()

    def taken(self, wall_s: float | None = None) -> _Taken:
        clock_s = time.perf_counter() - self._started_at
        took = [now_s - before_s for now_s, before_s in zip(self._cpu_s(), self._before_s, strict=True)]
        return _Taken(clock_s if wall_s is None else wall_s, *took)

    def _cpu_s(self) -> list[float]:
        return [sum(map(cpu_s, some)) for some in self._processes]


class _Alone:
    """Each stage without the other, as many jobs in flight as the worker has."""

    def __init__(self, backend: Backend, pool: DecodePool, concurrency: int) -> None:
        self._backend, self._pool, self._concurrency = backend, pool, concurrency
        self._tiling = tiling_for(SAMPLING, backend.info, 1)

    def decode(self, media: Sequence[Path]) -> tuple[_Taken, list[tuple[Scene, ...]]]:
        """What it took, and what the model is to see."""
        self._decode(media[0])
        for pid in self._pool.process_ids():
            _pin(pid, DECODE_CORE)
        return self._timed(self._decode, media)

    def model(self, scenes: Sequence[tuple[Scene, ...]]) -> _Taken:
        """What it took."""
        return self._timed(self._ask, scenes)[0]

    def _decode(self, path: Path) -> tuple[Scene, ...]:
        decoded = self._pool.decode(DecodeRequest(str(path), path.name, SAMPLING, self._tiling))
        # A name of its own each time: pictures that were seen before are not encoded again.
        return build_scenes([SourceMedia(0, path.name, f"{path.name}/{time.monotonic_ns()}", decoded)], self._tiling)

    def _ask(self, scenes: tuple[Scene, ...]) -> None:
        Interview(self._backend, GENERATION, Cancellation()).run(TASKS, scenes)

    def _timed(self, work: Any, items: Sequence[Any]) -> tuple[_Taken, list[Any]]:
        with _on_core(MODEL_CORE), ThreadPoolExecutor(self._concurrency) as slots:
            watch = _Stopwatch(os.getpid(), self._pool.process_ids())
            done = list(slots.map(work, items))
            return watch.taken(), done


def _balanced(alone: _Alone, folder: Path, jobs: int) -> list[Path]:
    """Pictures whose decoding takes about as long as their model: its time does not hang on their size."""
    side_px = FIRST_SIDE_PX
    alone.model(alone.decode(_pictures(folder / "warm", 4, side_px))[1])
    for number in range(CALIBRATIONS):
        decode, scenes = alone.decode(_pictures(folder / f"tried{number}", CALIBRATION_JOBS, side_px))
        off = alone.model(scenes).own_cpu_s / decode.decoder_cpu_s
        if abs(off - 1) < BALANCED:
            break
        side_px = int(side_px * off**0.5)
    return _pictures(folder / "measured", jobs, side_px)


def _pictures(folder: Path, count: int, side_px: int) -> list[Path]:
    """JPEGs of one photo-like picture; each differs from the others in its bytes."""
    folder.mkdir()
    photo = Image.fromarray(photo_like(side_px, int(side_px * ASPECT), 1))
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=90)
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for path in paths:
        path.write_bytes(buffer.getvalue() + path.name.encode())
    return paths


def _round(alone: _Alone, media: Sequence[Path], folder: str, arguments: argparse.Namespace) -> _Round:
    """Decoding alone, the model alone, and the batch."""
    decode, scenes = alone.decode(media[: arguments.jobs])
    model = alone.model(scenes)
    del scenes
    return _Round(decode, model, _batch(media, folder, arguments))


def _batch(media: Sequence[Path], folder: str, arguments: argparse.Namespace) -> _Taken:
    """By the clock: from the batch's acceptance to the end of its last job, as the database says."""
    variables = {**SETTINGS, "engine": arguments.engine, "concurrency": str(arguments.concurrency)}
    with own_mill(file_roots=f'["{folder}"]', **variables) as urls, ExitStack() as running:
        with _on_core(MODEL_CORE):
            process = running.enter_context(worker("benchmarks._serve"))
        client = Client()
        # Others than the batch's, whose pictures would not be encoded again; enough that all connections are there.
        client.submit_many(_specs(media[arguments.jobs :])).wait(timeout=120, progress=False)
        decoders = tuple(children(process.pid))
        for pid in decoders:
            _pin(pid, DECODE_CORE)
        watch = _Stopwatch(process.pid, decoders, _services(urls))
        batch = client.submit_many(_specs(media[: arguments.jobs]))
        status = batch.wait(timeout=1200, progress=False)
        if status.succeeded != arguments.jobs or batch.finished_at is None:
            raise SystemExit(f"only {status.succeeded} of {arguments.jobs} jobs succeeded")
        return watch.taken((batch.finished_at - batch.created_at).total_seconds())


def _services(urls: ServiceUrls) -> list[int]:
    """The processes of Postgres and Redis that work for a batch."""
    statement = "SELECT pid FROM pg_stat_activity WHERE backend_type IN ('client backend', 'walwriter')"
    with psycopg.connect(urls.database_url) as connection:
        mine = connection.info.backend_pid
        pids = [pid for (pid,) in connection.execute(statement) if pid != mine]
    return [*pids, int(Redis.from_url(urls.redis_url).info("server")["process_id"])]


def _specs(media: Sequence[Path]) -> Iterator[JobSpec]:
    for path in media:
        yield JobSpec(media=(path.as_uri(),), tasks=TASKS, sampling=SAMPLING, generation=GENERATION)


def _pin(pid: int, core: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    """This process and what it starts from now on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
