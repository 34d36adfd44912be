"""How long dashboards wait on an archive's worth of rows: each file of `dashboards/`, and searches.

`--url` measures a ledger that is filled already; else one is made, filled with `--rows` jobs, and dropped afterwards.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks._archive_rows import fill
from reelmill.ledger.database import Database
from reelmill.ledger.migrate import upgrade
from reelmill.ledger.search import search
from tests.services import embedded_services

DASHBOARDS = Path(__file__).parents[1] / "dashboards"
SEARCHES = {
    "search frequent": "man",
    "search words": "red panda",
    "search phrase": '"golden panda"',
    "search chinese": "熊猫",
    "search nothing": "zebra",
}
MAX_WAL = "8GB"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000, help="jobs; each has media, segment and caption")
    parser.add_argument("--boxes", type=int, help="of all jobs together; without it every fourth job has two")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--url", help="of a ledger that is filled already")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with filled(arguments.rows, arguments.url, arguments.boxes) as (url, fill_s):
        return {
            "rows": arguments.rows,
            "boxes": arguments.boxes,
            "fill_s": fill_s,
            **measure(url, repeats=arguments.repeats),
        }


def measure(url: str, *, repeats: int = 20) -> dict[str, Any]:
    """Run every dashboard query and search `repeats` times on this ledger, in rounds, the first one not counted.

    Returns `query_p95_ms` (over all of them), `slowest` (its name) and `queries`: p50 and p95 in ms by name.
    """
    times: dict[str, list[float]] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        asked = dict(_queries(connection, Database(url, pool_size=1)))
        for _ in range(repeats + 1):
            for name, ask in asked.items():
                started = time.perf_counter()
                ask()
                times.setdefault(name, []).append((time.perf_counter() - started) * 1000)
    counted = {name: sorted(taken[1:]) for name, taken in times.items()}
    queries = {name: {"p50_ms": _share(taken, 0.5), "p95_ms": _share(taken, 0.95)} for name, taken in counted.items()}
    return {
        "query_p95_ms": _share(sorted(ms for taken in counted.values() for ms in taken), 0.95),
        "query_p50_ms": round(statistics.median(ms for taken in counted.values() for ms in taken), 1),
        "slowest": max(queries, key=lambda name: queries[name]["p95_ms"]),
        "queries": queries,
    }


def _queries(connection: psycopg.Connection, db: Database) -> Iterator[tuple[str, Callable[[], object]]]:
    for path in sorted(DASHBOARDS.glob("*.sql")):
        query = path.read_bytes()
        yield path.stem, lambda query=query: connection.execute(query).fetchall()  # type: ignore[misc]
    for name, words in SEARCHES.items():
        yield name, lambda words=words: search(db, words, batch_id=None, prefix="", most=20)  # type: ignore[misc]


def _share(taken: list[float], share: float) -> float:
    """The value below which this share of the sorted times lies."""
    return round(taken[min(len(taken) - 1, int(len(taken) * share))], 1)


@contextmanager
def filled(rows: int, url: str | None = None, boxes: int | None = None) -> Iterator[tuple[str, float | None]]:
    """The URL of a ledger with `rows` worked jobs, and the seconds it took to fill.

    `url` is one that is filled already; `boxes`: see `fill`.
    """
    if url:
        yield url, None
        return
    with embedded_services() as urls:
        with psycopg.connect(urls.database_url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET max_wal_size = '{MAX_WAL}'")
            connection.execute("SELECT pg_reload_conf()")
        upgrade(urls.database_url)
        started = time.perf_counter()
        fill(urls.database_url, rows, boxes)
        fill_s = round(time.perf_counter() - started, 1)
        with psycopg.connect(urls.database_url, autocommit=True) as connection:
            # Only the filling goes without.
            connection.execute("ALTER SYSTEM RESET fsync")
            connection.execute("SELECT pg_reload_conf()")
        yield urls.database_url, fill_s
