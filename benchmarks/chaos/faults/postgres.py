"""Postgres: what it has committed stays; what it has not is done again."""

from __future__ import annotations

import random
import time

import psycopg

from benchmarks.chaos.evidence import Evidence, Sight
from benchmarks.chaos.world import Fault, World

AWAY_S = (0.0, 3.0)
CATCHES_S = 8.0
LOOP_S = 3.0
EVERY_S = 0.2
_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def _kill(world: World, rng: random.Random) -> str:
    seconds = rng.uniform(*AWAY_S)
    world.servers.kill_postgres()
    try:
        world.wait(seconds)
    finally:
        world.servers.start_postgres()
    return f"away for {seconds:.1f} s"


def _restart_in_commit(world: World, rng: random.Random) -> str:
    """Finishing jobs wait for a lock on the captions; then the server goes down under them."""
    connection = psycopg.connect(world.servers.database_url)
    try:
        connection.execute("LOCK TABLE captions IN SHARE MODE")
        waiting, gives_up_at = 0, time.monotonic() + CATCHES_S
        while not waiting and time.monotonic() < gives_up_at and not world.over.is_set():
            world.wait(0.3 + rng.random() * 0.5)
            waiting = len(connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())
        world.servers.postgres.stop()
    finally:
        connection.close()
        world.servers.start_postgres()
    return f"{waiting} waited for locks"


def _terminate_in_a_loop(world: World, rng: random.Random) -> str:
    cut = 0
    with psycopg.connect(world.servers.database_url, autocommit=True) as connection:
        for _ in range(int(LOOP_S / EVERY_S)):
            cut += len(connection.execute(_OTHERS).fetchall())
            world.wait(EVERY_S * rng.uniform(0.2, 1.8))
    return f"{cut} connections"


def _came_back(found: Evidence, sight: Sight) -> None:
    lost = found.attempts("lost")
    sight.saw(f"{found.refused} submits refused and repeated, {lost} attempts lost, every job done once")
    sight.insist_workers_stay(found)
    sight.insist(found.unharmed(), "every job succeeds")


def _held_in_commit(found: Evidence, sight: Sight) -> None:
    held = sum(int(detail.split()[0]) for detail in found.details)
    sight.saw(f"{held} statements waited when it went down")
    sight.insist(held > 0, "a finishing job is caught")
    _came_back(found, sight)


FAULTS = (
    Fault(
        "postgres_killed",
        "postgres",
        "SIGKILL to all its processes, back after 0 to 3 s",
        "what was accepted and finished is there; the rest goes on",
        _kill,
        _came_back,
    ),
    Fault(
        "postgres_restart_in_commit",
        "postgres",
        "finishing jobs held by a lock, then `pg_ctl stop -m fast` and start",
        "the results are written once, by this attempt or the next",
        _restart_in_commit,
        _held_in_commit,
    ),
    Fault(
        "postgres_connections_cut",
        "postgres",
        "pg_terminate_backend on all, 15 times in 3 s",
        "statements are tried again; nothing is lost",
        _terminate_in_a_loop,
        _came_back,
    ),
)
