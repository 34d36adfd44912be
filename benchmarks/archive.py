"""How fast an archive comes in, and what a night costs when little has changed: listing to accepted jobs.

The listing comes from a server of our own (tests/listing_server.py) in a process of its own, over HTTP, a thousand keys
a page as S3 gives them: moto takes seconds for some thousand keys, and S3 itself is not here. Listing, filters,
fingerprints, inserts and the durable Postgres are those of production. The scan runs in a process of its own, whose
memory is told. The queries of `dashboards/` are then asked of a ledger where so many objects have been worked
(`queries`); `--no-queries` leaves that out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import queries
from benchmarks.mill import environment, own_mill
from reelmill import Caption, Client
from reelmill.ledger.database import Database
from reelmill.ledger.workers import register_model

CHANGED_EVERY = 100
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}
SCAN = """
import json, resource, time
from reelmill.bells import Bells
from reelmill.ledger.database import Database
from reelmill.settings import settings
from reelmill.urls import service_urls
from worker.scanner import Scanner
urls = service_urls(settings())
started = time.perf_counter()
Scanner(settings(), Database(urls.database_url), Bells(urls.redis_url), "benchmark").tick()
seconds = time.perf_counter() - started
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"wall_s": seconds, "cpu_s": used.ru_utime + used.ru_stime, "rss_mb": used.ru_maxrss / 1024}))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--objects", type=int, default=200_000)
    parser.add_argument("--no-queries", action="store_true", help="only the two nights")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with own_mill(log_level="WARNING") as urls, environment(CREDENTIALS):
        database = Database(urls.database_url)
        register_model(database, "default", path="org/model", revision="r1", family="internvl", dtype="bfloat16")
        first = _night(arguments.objects, 0, expected=arguments.objects)
        _finish_all(database)
        changed = -(-arguments.objects // CHANGED_EVERY)
        second = _night(arguments.objects, CHANGED_EVERY, expected=changed)
        database.close()
    return {
        "objects": arguments.objects,
        "objects_per_second": round(arguments.objects / first["wall_s"]),
        "peak_rss_mb": round(max(first["rss_mb"], second["rss_mb"]), 1),
        "second_run_seconds": round(second["wall_s"], 2),
        "scan_cpu_seconds": round(first["cpu_s"], 2),
        **({} if arguments.no_queries else _asked(arguments.objects)),
    }


def _night(objects: int, changed_every: int, *, expected: int) -> dict[str, float]:
    """One run over the whole archive, in a process of its own."""
    with (
        _served(objects, changed_every) as endpoint,
        environment({"REELMILL_S3_ENDPOINT_URL": endpoint}),
        Client() as client,
    ):
        batch = client.submit_prefix("s3://archive/night/", tasks=Caption())
        ran = subprocess.run([sys.executable, "-c", SCAN], stdout=subprocess.PIPE, text=True, check=True)
        scan = batch.scan
    if scan is None or (scan.counts.listed, scan.counts.accepted) != (objects, expected):
        raise SystemExit(f"not {expected} of {objects} objects were accepted: {scan}")
    measured: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return measured


@contextmanager
def _served(objects: int, changed_every: int) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.listing_server", str(objects), "--changed-every", str(changed_every)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            if server.stdout is None:
                raise SystemExit("the listing server has no output")
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def _finish_all(database: Database) -> None:
    """As if the first night's jobs had been worked; tables as they are after autovacuum."""
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE jobs SET state = 'succeeded', finished_at = now()")
    with database.statement() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE jobs")


def _asked(objects: int) -> dict[str, Any]:
    with queries.filled(objects) as (url, _):
        return queries.measure(url, repeats=10)
