"""Claims on a long queue: fresh, after its head was churned, and while an old snapshot forbids cleaning up.

One connection claims; each claim is the worker's own statement, committed. Plans are read from EXPLAIN of that
statement, and from the server's counts of sequential scans.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text

from benchmarks.mill import own_mill
from reelmill.ledger import claim as claiming
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database

FILL = text(
    """
    WITH filled AS (
        INSERT INTO jobs (id, model, priority, tasks, sampling, generation)
        SELECT gen_random_uuid(), 'default', n % 3, '[{"kind": "caption"}]', '{}', '{}'
        FROM generate_series(1, :rows) AS n RETURNING id
    )
    INSERT INTO media (job_id, ordinal, uri) SELECT id, 0, 's3://archive/' || id FROM filled
    """
)
TAKE = text(
    """
    UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_token = gen_random_uuid(),
           lease_expires_at = now() + interval '1 hour', lease_s = 3600, worker_id = 'churn', started_at = now()
    WHERE id IN (SELECT id FROM jobs WHERE state = 'queued' ORDER BY priority DESC, run_at, id LIMIT :rows)
    """
)
END = text(
    """
    UPDATE jobs SET state = :state, lease_token = NULL, lease_expires_at = NULL
    WHERE state = 'running' AND worker_id = 'churn'
    """
)
SCANS = text("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'jobs'")
DEAD = text("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'jobs'")
CLAIM = {
    "worker_id": "explained",
    "model": "default",
    "lease_s": 60.0,
    "in_flight": 0,
    "patience_s": claiming.SUSPECT_PATIENCE_S,
    "group_after": claiming.GROUP_AFTER_CRASHES,
    "alone_after": claiming.ALONE_AFTER_CRASHES,
    "group_size": claiming.GROUP_SIZE,
}
ROUNDS = 4
"""How often the head of the queue is taken; half of the times it is given back."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--claims", type=int, default=1000, help="measured at each point")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {"rows": arguments.rows, "rows_churned": ROUNDS * (arguments.rows // 10)}
    with own_mill(log_level="WARNING") as urls:
        db = Database(urls.database_url)
        _execute(db, FILL, rows=arguments.rows)
        result["fresh"] = _measured(db, arguments.claims)
        _churn(db, arguments.rows // 10)
        result["churned"] = _measured(db, arguments.claims)
        with _old_snapshot(db):
            _churn(db, arguments.rows // 10)
            # Each of these wades through all that is dead; a few tell enough.
            result["churned_under_an_old_snapshot"] = _measured(db, max(10, arguments.claims // 50))
        db.close()
    return result


def _churn(db: Database, rows: int) -> None:
    """The head of the queue is taken and given back, or taken and done, as many jobs at once."""
    for number in range(ROUNDS):
        _execute(db, TAKE, rows=rows)
        _execute(db, END, state="succeeded" if number % 2 else "queued")


@contextmanager
def _old_snapshot(db: Database) -> Iterator[None]:
    """A transaction that could still read what was there before, as a dump or a forgotten session does."""
    with db.transaction() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(text("SELECT count(*) FROM batches"))
        yield


def _measured(db: Database, claims: int) -> dict[str, Any]:
    before = _scalar(db, SCANS)
    plan = _plan(db)
    taken_s = []
    for _ in range(claims):
        started = time.perf_counter()
        if claim(db, "bench", "default", lease_s=3600, in_flight=0) is None:
            raise SystemExit("nothing was left to claim")
        taken_s.append(time.perf_counter() - started)
    taken_s.sort()
    return {
        "claims_per_s": round(claims / sum(taken_s)),
        "median_ms": round(taken_s[claims // 2] * 1000, 2),
        "worst_ms": round(taken_s[-1] * 1000, 1),
        **plan,
        "sequential_scans": _scalar(db, SCANS) - before,
        "dead_rows": _scalar(db, DEAD),
    }


def _plan(db: Database) -> dict[str, Any]:
    """How the statement reads jobs, and how many pages the whole statement touches; nothing of it stays."""
    explain = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {claiming._CLAIM.text}")
    with db.transaction() as connection:
        nested = connection.begin_nested()
        (found,) = _documents(connection, explain)
        nested.rollback()
    scans = sorted(
        f"{node['Node Type']} {node.get('Index Name', '')}".strip()
        for node in _nodes(found["Plan"])
        if node.get("Relation Name") == "jobs" and "Scan" in node["Node Type"]
    )
    pages = found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"]
    return {"reads_jobs_by": scans, "pages": pages}


def _documents(connection: Connection, explain: Any) -> list[dict[str, Any]]:
    found = connection.scalar(explain, CLAIM)
    documents: list[dict[str, Any]] = json.loads(found) if isinstance(found, str) else found
    return documents


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _execute(db: Database, statement: Any, **values: Any) -> None:
    with db.transaction() as connection:
        connection.execute(statement, values)


def _scalar(db: Database, statement: Any) -> int:
    with db.transaction() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        return int(connection.scalar(statement) or 0)
