"""Bells and those who ring them: repeated, doubled, and gone between the row and the bell."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from benchmarks.chaos.evidence import Evidence, Sight
from benchmarks.chaos.world import Fault, SkippedError, World
from reelmill.bells import queue_name
from reelmill.schema import DEFAULT_MODEL

BELLS = 10
HOUSEKEEPERS = ("chaos-housekeeper-1", "chaos-housekeeper-2")
HOUSEKEEP_S = (2.0, 5.0)
LEAVES_S = 20.0
JOBS_OF_THE_DYING = 3
PRODUCER_S = 60.0


def _ten_bells(world: World, rng: random.Random) -> str:
    with world.servers.redis_client() as client:
        hanging = client.lrange(queue_name(DEFAULT_MODEL), 0, 0)
        if not hanging:
            # None hangs just now: one that nobody could have taken yet.
            world.client._mill.bells.ring(DEFAULT_MODEL, BELLS)  # type: ignore[union-attr]
            return "rung"
        client.lpush(queue_name(DEFAULT_MODEL), *(hanging * BELLS))
    return "the same message"


def _two_housekeepers(world: World, rng: random.Random) -> str:
    """Some seconds after both are at work, one is killed, one is told to leave."""
    started = [_housekeeper(world, name) for name in HOUSEKEEPERS]
    seconds = rng.uniform(*HOUSEKEEP_S)
    try:
        if not _both_at_work(world):
            raise SkippedError("they did not start in time")
        world.wait(seconds)
        started[0].kill()
        started[1].terminate()
        left_with = started[1].wait(timeout=LEAVES_S)
    finally:
        for process in started:
            process.kill()
            process.wait()
    return f"status {left_with} after {seconds:.1f} s"


def _housekeeper(world: World, name: str) -> subprocess.Popen[bytes]:
    environment = dict(world.environment)
    environment["REELMILL_DATABASE_URL"] += f"?application_name={name}"
    command = [sys.executable, "-m", "reelmill", "housekeep"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _both_at_work(world: World) -> bool:
    """Each names itself to Postgres."""
    statement = "SELECT count(DISTINCT application_name) FROM pg_stat_activity WHERE application_name = ANY(%s)"
    while not world.over.wait(0.3):
        with psycopg.connect(world.servers.database_url) as connection:
            if connection.execute(statement, (list(HOUSEKEEPERS),)).fetchone() == (len(HOUSEKEEPERS),):
                return True
    return False


def _crash_before_the_bell(world: World, rng: random.Random) -> str:
    """A producer of its own process dies where it would ring; its rows are committed by then."""
    made = [world.producer.new_spec() for _ in range(JOBS_OF_THE_DYING)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "specs.jsonl"
        path.write_text("\n".join(spec.model_dump_json() for _, spec in made))
        command = [sys.executable, "-m", "benchmarks.chaos.dying_producer", str(path)]
        died = subprocess.run(
            command, env=world.environment, timeout=PRODUCER_S, check=False, capture_output=True
        ).returncode
    if died != -signal.SIGKILL:
        # It never came to the bell; whether its rows are there the producer finds out, with the same tokens.
        world.producer.resubmit(made)
        raise SkippedError("the producer did not come so far")
    world.producer.accept([picture for picture, _ in made])
    return f"{len(made)} jobs"


def _once(found: Evidence, sight: Sight) -> None:
    again = sum(len(job.attempts) > 1 for job in found.jobs)
    sight.saw(f"{len(found.jobs)} jobs, {again} of them tried more than once")
    sight.insist(again == 0, "no job runs twice")
    sight.insist_workers_stay(found)
    sight.insist(found.unharmed(), "every job succeeds")


def _left_in_order(found: Evidence, sight: Sight) -> None:
    in_order = sum(detail.startswith("status 0 ") for detail in found.details)
    sight.insist(in_order == found.times, "who is told to leave does, with 0")
    sight.saw(f"{in_order} left with 0")
    _once(found, sight)


def _rung_for(found: Evidence, sight: Sight) -> None:
    sight.saw(f"{JOBS_OF_THE_DYING * found.times} jobs of producers that died before they rang were done")
    _once(found, sight)


FAULTS = (
    Fault(
        "ten_bells",
        "producers",
        "the same message ten times",
        "slots wake for nothing; no job runs twice",
        _ten_bells,
        _once,
    ),
    Fault(
        "two_housekeepers",
        "producers",
        "two `reelmill housekeep` beside the workers; one is killed, one leaves",
        "one is elected at a time",
        _two_housekeepers,
        _left_in_order,
    ),
    Fault(
        "crash_before_bell",
        "producers",
        "a producer dies by SIGKILL between its commit and the bell",
        "housekeeping rings for its jobs",
        _crash_before_the_bell,
        _rung_for,
    ),
)
