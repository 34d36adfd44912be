"""Redis: only a bell. Whatever happens to it, jobs wait a little and none is lost."""

from __future__ import annotations

import os
import random
from signal import SIGCONT, SIGSTOP

from benchmarks.chaos.evidence import Evidence, Sight
from benchmarks.chaos.world import Fault, World

AWAY_S = (0.0, 4.0)
HANGS_S = (1.0, 8.0)
FULL_S = (2.0, 6.0)


def _kill(world: World, rng: random.Random) -> str:
    seconds = rng.uniform(*AWAY_S)
    world.servers.kill_redis()
    try:
        world.wait(seconds)
    finally:
        world.servers.start_redis()
    return f"away for {seconds:.1f} s"


def _flush(world: World, rng: random.Random) -> None:
    with world.servers.redis_client() as client:
        client.flushall()


def _hang(world: World, rng: random.Random) -> str:
    seconds = rng.uniform(*HANGS_S)
    pid = world.servers.redis_pid()
    os.kill(pid, SIGSTOP)
    try:
        world.wait(seconds)
    finally:
        os.kill(pid, SIGCONT)
    return f"{seconds:.1f} s"


def _fill(world: World, rng: random.Random) -> str:
    seconds = rng.uniform(*FULL_S)
    with world.servers.redis_client() as client:
        client.config_set("maxmemory", "1")
        try:
            world.wait(seconds)
        finally:
            client.config_set("maxmemory", "0")
    return f"{seconds:.1f} s"


def _went_on(found: Evidence, sight: Sight) -> None:
    sight.saw(f"{len(found.jobs)} jobs accepted without a refusal and done, {found.attempts('lost')} attempts lost")
    sight.insist(found.refused == 0, f"every submit is accepted ({found.refused} were not)")
    sight.insist(found.attempts("lost") == 0, "no lease runs out")
    sight.insist_workers_stay(found)
    sight.insist(found.unharmed(), "every job succeeds")


_ON = "workers and submits go on; bells are rung again"
FAULTS = (
    Fault("redis_killed", "redis", "SIGKILL, nothing on disk, back after 0 to 4 s", _ON, _kill, _went_on),
    Fault("redis_flushed", "redis", "FLUSHALL", _ON, _flush, _went_on),
    Fault("redis_hangs", "redis", "SIGSTOP for 1 to 8 s", _ON, _hang, _went_on),
    Fault(
        "redis_full", "redis", "maxmemory 1 with noeviction for 2 to 6 s", _ON + "; no worker leaves", _fill, _went_on
    ),
)
