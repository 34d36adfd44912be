"""How fast a batch's results become files, and what memory that takes: `Batch.export_to` a directory of this machine.

The batch is the first run of a filled ledger (`_archive_rows`): half of `--rows`. The exporter runs in a process of its
own, whose memory is told. Sending to S3 is not in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.mill import environment
from benchmarks.queries import filled
from reelmill import Client

FIRST_RUN = UUID("00000000-0000-7000-8000-000000000000")
EXPORT = """
import json, resource, time
from reelmill.ledger.database import Database
from reelmill.settings import settings
from worker.exporter import Exporter
started = time.perf_counter()
Exporter(settings(), Database(settings().database_url.get_secret_value()), "benchmark").tick()
seconds = time.perf_counter() - started
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"wall_s": seconds, "cpu_s": used.ru_utime + used.ru_stime, "rss_mb": used.ru_maxrss / 1024}))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000, help="jobs of the ledger; the batch has half of them")
    parser.add_argument("--boxes", type=int, help="of all jobs together")
    parser.add_argument("--format", choices=["parquet", "jsonl"], default="parquet")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with (
        filled(arguments.rows, None, arguments.boxes) as (url, _),
        tempfile.TemporaryDirectory(prefix="reelmill-export-") as directory,
        environment(_settings(url, Path(directory))),
        Client(url) as client,
    ):
        batch = client.batch(FIRST_RUN)
        batch.export_to(Path(directory).as_uri(), arguments.format)
        ran = subprocess.run([sys.executable, "-c", EXPORT], stdout=subprocess.PIPE, text=True, check=True)
        (export,) = batch.exports()
    if export.state != "succeeded":
        raise SystemExit(f"the export has not succeeded: {export}")
    used, jobs = json.loads(ran.stdout.splitlines()[-1]), sum(file.jobs for file in export.files)
    return {
        "jobs": jobs,
        "rows": export.rows,
        "files": len(export.files),
        "mb": round(export.bytes / 1e6, 1),
        "jobs_per_second": round(jobs / used["wall_s"]),
        "cpu_s": round(used["cpu_s"], 1),
        "peak_rss_mb": round(used["rss_mb"], 1),
    }


def _settings(url: str, directory: Path) -> dict[str, str]:
    prefixes = json.dumps([directory.as_uri()])
    return {
        "REELMILL_DATABASE_URL": url,
        "REELMILL_EXPORT_PREFIXES": prefixes,
        "REELMILL_LOG_LEVEL": "WARNING",
    }
