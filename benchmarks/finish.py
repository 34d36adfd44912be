"""What the indexes of dashboards and search cost the transaction that writes a job's results.

Jobs of two captions, two answers, two phrases and two boxes are finished in turns with and without those indexes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from sqlalchemy import text

from benchmarks.mill import own_mill
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import succeed
from reelmill.ledger.online_indexes import build_online_indexes, online_indexes
from reelmill.ledger.submit import submit_jobs
from tests.integration.ledger.helpers import result, spec

ROUND_JOBS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with own_mill() as urls:
        db = Database(urls.database_url)
        taken: dict[str, list[float]] = {"with": [], "without": []}
        _drop_online_indexes(db)
        for _ in range(arguments.rounds):
            taken["without"] += _finish(db)
            build_online_indexes(db)
            taken["with"] += _finish(db)
            _drop_online_indexes(db)
        db.close()
    with_ms, without_ms = (statistics.median(taken[side]) for side in ("with", "without"))
    return {
        "finish_ms": round(with_ms, 2),
        "finish_ms_without": round(without_ms, 2),
        "ratio": round(with_ms / without_ms, 2),
    }


def _drop_online_indexes(db: Database) -> None:
    with db.transaction() as connection:
        connection.execute(text("DROP INDEX " + ", ".join(str(index.name) for index in online_indexes())))


def _finish(db: Database) -> list[float]:
    """Milliseconds of each transaction."""
    submit_jobs(db, [spec(str(number)) for number in range(ROUND_JOBS)])
    taken = []
    while (job := claim(db, "bench", "default", lease_s=600, in_flight=0)) is not None:
        found = result("A red panda sits on a wooden bench beside the river, in front of a tall green tree.")
        started = time.perf_counter()
        succeed(db, job.lease, found)
        taken.append((time.perf_counter() - started) * 1000)
    return taken
