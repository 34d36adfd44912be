"""A slow model slows the fetching, never fills the memory: storage, decoders and runner are those of a worker."""

from __future__ import annotations

import gc
import queue
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from benchmarks.instant import INFO
from pipelines.cancellation import Cancellation
from pipelines.media.decode import DecodePool
from pipelines.model.types import ChatRequest, Completion
from reelmill.ledger.claim import ClaimedJob, ClaimedMedia
from reelmill.schema import Caption, JobResult, JobSpec, Sampling
from reelmill.settings import Settings
from tests.pictures import noise_clip, noise_png
from tests.workers import wait_until
from worker.runner import Runner
from worker.storage import ObjectVersion, Storage

JOBS, SLOTS, TILE_PX = 24, 12, 448
JOB_BYTES = TILE_PX * TILE_PX * 3
MOST_BYTES = 4 * JOB_BYTES
ANSWER_S = 0.1
"""Much longer than decoding takes, so that what is not held back piles up."""


class StalledBackend:
    """Answers one request each time it is told to, and notes how many bytes of tiles were held at its busiest."""

    info = replace(INFO, max_tiles=1)

    def __init__(self, pool: DecodePool) -> None:
        self._pool, self._asked = pool, queue.SimpleQueue[Future[Completion]]()
        self.most_bytes = 0

    def submit(self, request: ChatRequest) -> Future[Completion]:
        future: Future[Completion] = Future()
        self.most_bytes = max(self.most_bytes, self._pool.live_bytes)
        self._asked.put(future)
        return future

    @property
    def waiting(self) -> int:
        """Requests that it has not answered."""
        return self._asked.qsize()

    def answer_one(self) -> None:
        time.sleep(ANSWER_S)
        self._asked.get(timeout=120).set_result(Completion("A picture.", "A picture.", (1,), 300, "stop"))

    def close(self) -> None:
        """Nothing to stop."""


def job_of(path: Path) -> ClaimedJob:
    spec = JobSpec(media=(path.as_uri(),), tasks=(Caption(),))
    return ClaimedJob(uuid4(), 1, uuid4(), spec, (ClaimedMedia(0, path.as_uri(), None, None, None),), "none")


def ignore(_: Sequence[tuple[int, ObjectVersion]]) -> None:
    """Pins nothing."""


def test_what_is_decoded_and_waits_for_a_slow_model_stays_within_its_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(JOBS)]
    for number, path in enumerate(paths):
        path.write_bytes(noise_png(number, (64, 64)))
    settings = Settings(file_roots=(str(tmp_path),))
    with DecodePool(2, max_live_bytes=MOST_BYTES) as pool, ThreadPoolExecutor(SLOTS) as slots:
        backend = StalledBackend(pool)
        runner = Runner(settings, Storage(settings), pool, backend, tmp_path)

        def work(path: Path) -> JobResult:
            return runner.run(job_of(path), ignore, Cancellation())

        running = [slots.submit(work, path) for path in paths]
        wait_until(lambda: backend.waiting * JOB_BYTES >= MOST_BYTES)
        for _ in running:
            backend.answer_one()
        done = [future.result(timeout=120) for future in running]
        assert [result.captions[0].text for result in done] == ["A picture."] * JOBS
        assert MOST_BYTES <= backend.most_bytes <= MOST_BYTES + JOB_BYTES
        del running
        gc.collect()
        assert pool.live_bytes == 0


class ReadyBackend:
    """Answers at once, and notes of each request whether it shows pictures and how many bytes of tiles are held."""

    info = replace(INFO, max_tiles=1)

    def __init__(self, pool: DecodePool) -> None:
        self._pool = pool
        self.held: list[tuple[bool, int]] = []

    def submit(self, request: ChatRequest) -> Future[Completion]:
        self.held.append((request.visual is not None, self._pool.live_bytes))
        future: Future[Completion] = Future()
        future.set_result(Completion("A picture.", "A picture.", (1,), 300, "stop"))
        return future

    def close(self) -> None:
        """Nothing to stop."""


def test_no_tiles_are_held_while_captions_are_summed_up(tmp_path: Path) -> None:
    path = noise_clip(tmp_path / "a.mp4", 1, seconds=3)
    settings = Settings(file_roots=(str(tmp_path),))
    sampling = Sampling(window_s=1, num_segments=2)
    spec = JobSpec(media=(path.as_uri(),), tasks=(Caption(summary=True),), sampling=sampling)
    with DecodePool(1) as pool:
        backend = ReadyBackend(pool)
        job = replace(job_of(path), spec=spec)
        found = Runner(settings, Storage(settings), pool, backend, tmp_path).run(job, ignore, Cancellation())
    assert backend.held == [(True, 6 * JOB_BYTES)] * 3 + [(False, 0)]
    assert [(row.captions, row.text) for row in found.summaries] == [(3, "A picture.")]
