"""Does memory grow with the jobs: what a worker and its decoders hold after 500 jobs, and after all of them.

Nine small images to one short clip, every stage real but the model, which answers at once. Measured while the worker
has nothing to do, a moment after the last job.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks._processes import Held, held
from benchmarks.mill import own_mill, worker
from reelmill import Ask, Caption, Client, JobSpec, Sampling
from tests.pictures import noise_clip, noise_png

FIRST_JOBS = 500
FILES = 100
ONE_CLIP_IN = 10
SETTLES_S = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--decode-processes", type=int, default=2)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        media = [_file(Path(folder), number) for number in range(FILES)]
        variables = {
            "file_roots": f'["{folder}"]',
            "concurrency": str(arguments.concurrency),
            "decode_processes": str(arguments.decode_processes),
            "log_level": "WARNING",
        }
        with own_mill(**variables), worker("benchmarks.instant") as process:
            client = Client()
            early = _after(client, process.pid, media, FIRST_JOBS)
            started = time.perf_counter()
            late = _after(client, process.pid, media, arguments.jobs - FIRST_JOBS)
            wall_s = time.perf_counter() - started - SETTLES_S
    return {
        "jobs": arguments.jobs,
        "ratio": round(late.total_mb / early.total_mb, 3),
        "ratio_worker": round(late.process_mb / early.process_mb, 3),
        f"after_{FIRST_JOBS}": asdict(early),
        "at_the_end": asdict(late),
        "jobs_per_second": round((arguments.jobs - FIRST_JOBS) / wall_s, 1),
    }


def _after(client: Client, pid: int, media: list[str], count: int) -> Held:
    status = client.submit_many(_specs(media, count)).wait(timeout=3600, progress=False)
    if status.succeeded != count:
        raise SystemExit(f"only {status.succeeded} of {count} jobs succeeded")
    time.sleep(SETTLES_S)
    return held(pid)


def _specs(media: list[str], count: int) -> Iterator[JobSpec]:
    tasks = (Caption(), Ask("What is it?", "Where is it?"))
    for number in range(count):
        yield JobSpec(media=(media[number % len(media)],), tasks=tasks, sampling=Sampling(num_segments=4))


def _file(folder: Path, number: int) -> str:
    if number % ONE_CLIP_IN == 0:
        return noise_clip(folder / f"{number}.mp4", number).as_uri()
    path = folder / f"{number}.png"
    path.write_bytes(noise_png(number, (320 + number, 240)))
    return path.as_uri()
