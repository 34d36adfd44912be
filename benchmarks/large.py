"""What a worker and a purge pay on a large ledger: a claim, a finished job, purged jobs per second, and the vacuum.

On `--url`, a ledger that `queries` has filled, or on one that is filled first and dropped afterwards. Jobs are finished
and purged for good, so that a second run finds fewer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from benchmarks.queries import filled
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import succeed
from reelmill.ledger.purge import PurgeSpec, purge_for
from tests.integration.ledger.helpers import result

OLD = timedelta(days=20)
"""The filled ledger spans thirty days."""
TABLES = ("jobs", "boxes")
_SIZES = text(
    """
    SELECT pg_table_size(oid) / 1000000 AS mb, pg_indexes_size(oid) / 1000000 AS indexes_mb, reltuples::bigint AS rows
    FROM pg_class WHERE oid = CAST(:name AS regclass)
    """
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000, help="jobs")
    parser.add_argument("--boxes", type=int, help="of all jobs together")
    parser.add_argument("--url", help="of a ledger that is filled already")
    parser.add_argument("--jobs", type=int, default=100, help="claimed and finished; they wait since the fill")
    parser.add_argument("--purge-s", type=float, default=10.0)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with filled(arguments.rows, arguments.url, arguments.boxes) as (url, _):
        db = Database(url)
        try:
            return {
                **{name: _size(db, name) for name in TABLES},
                **_worked(db, arguments.jobs),
                **_purged(db, arguments.purge_s),
                **{f"vacuum_{name}_s": _vacuumed(db, name) for name in TABLES},
            }
        finally:
            db.close()


def _worked(db: Database, jobs: int) -> dict[str, float]:
    claims, finishes = [], []
    for _ in range(jobs):
        started = time.perf_counter()
        job = claim(db, "bench", "default", lease_s=600, in_flight=0)
        claimed = time.perf_counter()
        if job is None:
            raise SystemExit("nothing was left to claim")
        succeed(db, job.lease, result("A red panda sits on a wooden bench beside the river."))
        claims.append(claimed - started)
        finishes.append(time.perf_counter() - claimed)
    return {**_times("claim", claims), **_times("finish", finishes)}


def _times(name: str, taken_s: Sequence[float]) -> dict[str, float]:
    ordered = sorted(taken_s)
    shares = {"ms": 0.5, "p95_ms": 0.95}
    return {f"{name}_{unit}": round(ordered[int(len(ordered) * share)] * 1000, 2) for unit, share in shares.items()}


def _purged(db: Database, seconds: float) -> dict[str, Any]:
    started = time.perf_counter()
    gone = purge_for(db, PurgeSpec(OLD), seconds)
    return {"purged_jobs": gone.jobs, "purged_per_second": round(gone.jobs / (time.perf_counter() - started))}


def _vacuumed(db: Database, table: str) -> float:
    """Seconds; its indexes too, which Postgres leaves alone as long as few pages have dead rows."""
    started = time.perf_counter()
    with db.statement() as connection:
        connection.execute(text(f"VACUUM (INDEX_CLEANUP ON) {table}"))
    return round(time.perf_counter() - started, 1)


def _size(db: Database, table: str) -> dict[str, int]:
    """Its own, and that of its indexes."""
    with db.statement() as connection:
        return {
            name: int(value) for name, value in connection.execute(_SIZES, {"name": table}).mappings().one().items()
        }
