"""How fast a producer hands over jobs, and how much memory it needs: `Client.submit_many` of a generator."""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.mill import own_mill
from reelmill import Ask, Caption, Client, JobSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, default=100_000)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with own_mill():
        client = Client()
        started = time.perf_counter()
        batch = client.submit_many(_specs(arguments.jobs))
        wall_s = time.perf_counter() - started
        accepted = batch.status.total
    if accepted != arguments.jobs:
        raise SystemExit(f"only {accepted} of {arguments.jobs} jobs were accepted")
    return {
        "jobs": arguments.jobs,
        "jobs_per_second": round(arguments.jobs / wall_s),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def _specs(count: int) -> Iterator[JobSpec]:
    tasks = (Caption(), Ask("How many people are there?"))
    for number in range(count):
        yield JobSpec(media=(f"s3://archive/2026/{number:09d}.jpg",), tasks=tasks)
