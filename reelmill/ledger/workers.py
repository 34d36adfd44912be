"""Who serves what: workers and models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from sqlalchemy import text

from reelmill.ledger.database import Database


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker process as the ledger knows it. `silent_s`: seconds since its last heartbeat, by database time."""

    id: str
    model: str
    hostname: str
    pid: int
    device: str
    concurrency: int
    version: str
    started_at: datetime
    last_seen_at: datetime
    retired_at: datetime | None
    silent_s: float
    running: int


def register_worker(
    db: Database, worker_id: str, *, model: str, hostname: str, pid: int, device: str, concurrency: int
) -> None:
    """Note that a worker has started."""
    statement = text(
        """
        INSERT INTO workers (id, model, hostname, pid, device, concurrency, version)
        VALUES (:id, :model, :hostname, :pid, :device, :concurrency, :version)
        ON CONFLICT (id) DO UPDATE
        SET model = excluded.model, hostname = excluded.hostname, pid = excluded.pid, device = excluded.device,
            concurrency = excluded.concurrency, version = excluded.version, started_at = now(),
            last_seen_at = now(), retired_at = NULL
        """
    )
    values = {"id": worker_id, "model": model, "hostname": hostname, "pid": pid, "device": device}
    with db.statement() as connection:
        connection.execute(statement, {**values, "concurrency": concurrency, "version": version("reelmill")})


def retire_worker(db: Database, worker_id: str) -> None:
    """Note that a worker has stopped in order."""
    with db.statement() as connection:
        connection.execute(text("UPDATE workers SET retired_at = now() WHERE id = :id"), {"id": worker_id})


def list_workers(db: Database, *, silent_up_to_s: float = 24 * 3600.0) -> tuple[WorkerView, ...]:
    """Workers heard of within this time, the latest first, with the number of jobs that each holds."""
    statement = text(
        """
        SELECT id, model, hostname, pid, device, concurrency, version, started_at, last_seen_at, retired_at,
               extract(epoch FROM now() - last_seen_at)::float8 AS silent_s,
               (SELECT count(*) FROM jobs WHERE state = 'running' AND worker_id = workers.id) AS running
        FROM workers
        WHERE last_seen_at >= now() - make_interval(secs => :silent_up_to_s)
        ORDER BY last_seen_at DESC, id
        """
    )
    with db.statement() as connection:
        rows = connection.execute(statement, {"silent_up_to_s": silent_up_to_s}).mappings()
        return tuple(WorkerView(**row) for row in rows)


def register_model(db: Database, name: str, *, path: str, revision: str | None, family: str, dtype: str) -> None:
    """Note that `name` is served, and from which checkpoint; jobs may ask for it from now on."""
    statement = text(
        """
        INSERT INTO models (name, path, revision, family, dtype) VALUES (:name, :path, :revision, :family, :dtype)
        ON CONFLICT (name) DO UPDATE
        SET path = excluded.path, revision = excluded.revision, family = excluded.family, dtype = excluded.dtype,
            last_served_at = now()
        """
    )
    values = {"name": name, "path": path, "revision": revision, "family": family, "dtype": dtype}
    with db.statement() as connection:
        connection.execute(statement, values)
