"""Workers: killed, told to leave, frozen, slow to come back."""

from __future__ import annotations

import random
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

from benchmarks.chaos.world import Fault, SkippedError, World

SLOW_LOAD_S = 6.0
BETWEEN_TERM_AND_KILL_S = 0.4


def _picked(world: World, rng: random.Random) -> int:
    """A worker that is ready, as soon as there is one: on a slow machine faults come no faster than it starts."""
    while (pid := world.fleet.pick(rng)) is None:
        if world.over.wait(0.2):
            raise SkippedError("no worker was ready any more")
    return pid


def _kill(world: World, rng: random.Random) -> str:
    pid = _picked(world, rng)
    world.fleet.send(pid, SIGKILL)
    return f"worker {pid}"


def _terminate(world: World, rng: random.Random) -> str:
    pid = _picked(world, rng)
    world.fleet.send(pid, SIGTERM)
    return f"worker {pid}"


def _terminate_then_kill(world: World, rng: random.Random) -> str:
    pid = _picked(world, rng)
    world.fleet.send(pid, SIGTERM)
    world.wait(rng.random() * BETWEEN_TERM_AND_KILL_S)
    world.fleet.send(pid, SIGKILL)
    return f"worker {pid}"


def _freeze(world: World, rng: random.Random) -> str:
    pid = _picked(world, rng)
    seconds = world.lease_s * (1.3 + rng.random())
    world.fleet.send(pid, SIGSTOP)
    world.wait(seconds)
    world.fleet.send(pid, SIGCONT)
    return f"worker {pid} for {seconds:.1f} s"


def _kill_all(world: World, rng: random.Random) -> str:
    _picked(world, rng)
    pids = world.fleet.pids()
    for pid in pids:
        world.fleet.send(pid, SIGKILL)
    return f"{len(pids)} workers"


def _slow_load(world: World, rng: random.Random) -> str:
    world.fleet.load_s = SLOW_LOAD_S
    try:
        detail = _kill(world, rng)
        world.wait(1.0)
    finally:
        world.fleet.load_s = 0.0
    return f"{detail}, the next one loads for {SLOW_LOAD_S:g} s"


_AGAIN = "leases run out, others work the jobs"
FAULTS = (
    Fault("sigkill", "workers", "SIGKILL to a worker", _AGAIN, _kill),
    Fault("sigkill_all", "workers", "SIGKILL to all workers at once", _AGAIN, _kill_all),
    Fault("sigterm", "workers", "SIGTERM to a worker", "it drains; what cannot end is given back unharmed", _terminate),
    Fault("sigterm_sigkill", "workers", "SIGTERM, SIGKILL within 0.4 s", _AGAIN, _terminate_then_kill),
    Fault(
        "sigstop",
        "workers",
        "SIGSTOP for 1.3 to 2.3 leases, then SIGCONT",
        "others work its jobs; what it reports late is fenced off",
        _freeze,
    ),
    Fault("slow_load", "workers", "SIGKILL; the model of the next one loads for 6 s", _AGAIN, _slow_load),
)
