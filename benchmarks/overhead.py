"""What a job costs when the model costs nothing: submit to committed rows, every other stage real.

One caption of one 64-px PNG per job, read through file://, tiled to 448 px, one worker process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.mill import own_mill, worker
from reelmill import Caption, Client, JobSpec
from tests.pictures import noise_png


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=8)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        media = [_picture(Path(folder), number) for number in range(arguments.jobs)]
        with (
            own_mill(file_roots=f'["{folder}"]', concurrency=str(arguments.concurrency), log_level="WARNING"),
            worker("benchmarks.instant"),
        ):
            client = Client()
            client.submit(media[0], tasks=[Caption()]).wait(timeout=120)
            started = time.perf_counter()
            batch = client.submit_many(JobSpec(media=(uri,), tasks=(Caption(),)) for uri in media)
            status = batch.wait(timeout=600, progress=False)
            wall_s = time.perf_counter() - started
    if status.succeeded != arguments.jobs:
        raise SystemExit(f"only {status.succeeded} of {arguments.jobs} jobs succeeded")
    return {
        "jobs": arguments.jobs,
        "jobs_per_second": round(arguments.jobs / wall_s, 1),
        "ms_per_job": round(wall_s / arguments.jobs * 1000, 2),
    }


def _picture(folder: Path, number: int) -> str:
    path = folder / f"{number}.png"
    path.write_bytes(noise_png(number, (64, 64)))
    return path.as_uri()
