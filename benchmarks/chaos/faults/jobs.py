"""Jobs that hurt whoever works them."""

from __future__ import annotations

import random

from benchmarks.chaos.pictures import Kind
from benchmarks.chaos.world import Fault, World


def _killer(world: World, rng: random.Random) -> None:
    world.producer.ask_for(Kind.KILLS)


def _no_memory(world: World, rng: random.Random) -> None:
    world.producer.ask_for(Kind.NO_MEMORY)


FAULTS = (
    Fault(
        "job_kills_worker",
        "jobs",
        "a job whose model call is SIGKILL to its own process",
        "convicted alone after four workers: `worker_lost`; its neighbours succeed",
        _killer,
    ),
    Fault(
        "job_memory_error",
        "jobs",
        "a job whose model call raises MemoryError",
        "`internal_error` after its three attempts; the worker goes on",
        _no_memory,
    ),
)
