"""Cancelling: queued, fetched, decoded, asked, or just done."""

from __future__ import annotations

import random

import psycopg

from benchmarks.chaos.evidence import Evidence, Sight
from benchmarks.chaos.pictures import Kind
from benchmarks.chaos.world import Fault, World

MOST = 4
_YOUNGEST = "SELECT id FROM jobs ORDER BY (state = 'running') DESC, id DESC LIMIT %s"


def _cancel(world: World, rng: random.Random) -> str:
    """Slow ones are asked for too, so that some are caught within the model."""
    world.producer.ask_for(Kind.SLOW)
    world.wait(rng.random())
    with psycopg.connect(world.servers.database_url) as connection:
        ids = [row[0] for row in connection.execute(_YOUNGEST, (MOST,)).fetchall()]
    for job_id in ids:
        world.client.job(job_id).cancel()
    return f"{len(ids)} jobs"


def _stopped(found: Evidence, sight: Sight) -> None:
    cancelled = [job for job in found.jobs if job.state == "cancelled"]
    running = found.attempts("cancelled")
    sight.saw(f"{len(cancelled)} jobs cancelled, {running} of them while they ran; the others succeeded")
    sight.insist(running > 0, "running jobs are stopped")
    sight.insist(len(cancelled) > running, "queued ones are, too")
    sight.insist(all(job.state in ("succeeded", "cancelled") for job in found.jobs), "no other end")
    sight.insist_workers_stay(found)


FAULTS = (
    Fault(
        "cancelled",
        "cancel",
        "running and the youngest queued jobs are cancelled",
        "cancelled, or succeeded where that was first; no results without success",
        _cancel,
        _stopped,
    ),
)
