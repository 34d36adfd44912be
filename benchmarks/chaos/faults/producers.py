"""Bells and those who ring them: repeated, doubled, and gone between the row and the bell."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.chaos.world import Fault, SkippedError, World
from reelmill.bells import queue_name
from reelmill.schema import DEFAULT_MODEL

BELLS = 10
HOUSEKEEPERS = 2
HOUSEKEEP_S = (2.0, 5.0)
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
    """One is killed, one is told to leave."""
    command = [sys.executable, "-m", "reelmill", "housekeep"]
    started = [
        subprocess.Popen(command, env=world.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(HOUSEKEEPERS)
    ]
    seconds = rng.uniform(*HOUSEKEEP_S)
    try:
        world.wait(seconds)
        started[0].kill()
        started[1].terminate()
        started[1].wait(timeout=20)
    finally:
        for process in started:
            process.kill()
            process.wait()
    return f"{seconds:.1f} s"


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


FAULTS = (
    Fault(
        "ten_bells", "producers", "the same message ten times", "slots wake for nothing; no job runs twice", _ten_bells
    ),
    Fault(
        "two_housekeepers",
        "producers",
        "two `reelmill housekeep` beside the workers; one is killed, one leaves",
        "one is elected at a time",
        _two_housekeepers,
    ),
    Fault(
        "crash_before_bell",
        "producers",
        "a producer dies by SIGKILL between its commit and the bell",
        "housekeeping rings for its jobs",
        _crash_before_the_bell,
    ),
)
