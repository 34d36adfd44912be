"""Workers: killed, told to leave, frozen, slow to come back."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

import psycopg

from benchmarks.chaos.evidence import DRAINED, KILLED, Evidence, Sight
from benchmarks.chaos.pictures import Kind
from benchmarks.chaos.world import Fault, SkippedError, World

SLOW_LOAD_S = 6.0
BETWEEN_TERM_AND_KILL_S = 0.4
SLOW_JOBS = 4
BUSY_S = 5.0
LOOKS_EVERY_S = 0.1
_HOLDING = """
    SELECT DISTINCT pid FROM jobs JOIN workers ON workers.id = jobs.worker_id
    WHERE state = 'running' AND jobs.started_at BETWEEN now() - interval '1 s' AND now() - interval '0.2 s'
"""


def _picked(world: World, rng: random.Random, *, mortal: bool = True) -> int:
    """A worker that is ready, as soon as there is one: on a slow machine faults come no faster than it starts.

    Slow jobs are asked for first, so that it holds some when it is hit.
    """
    for _ in range(SLOW_JOBS):
        world.producer.ask_for(Kind.SLOW)
    gives_up_at = time.monotonic() + BUSY_S
    while not (busy := _busy(world)) and time.monotonic() < gives_up_at and not world.over.wait(LOOKS_EVERY_S):
        pass
    while (pid := world.fleet.pick(rng, busy, mortal=mortal)) is None:
        if world.over.wait(LOOKS_EVERY_S):
            raise SkippedError("no worker was ready any more")
    return pid


def _busy(world: World) -> set[int]:
    """Process ids of workers that are in the middle of a job."""
    with suppress(psycopg.Error), psycopg.connect(world.servers.database_url, connect_timeout=2) as connection:
        return {row[0] for row in connection.execute(_HOLDING).fetchall()}
    return set()


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
    pid = _picked(world, rng, mortal=False)
    seconds = world.lease_s * (1.3 + rng.random())
    world.fleet.send(pid, SIGSTOP)
    world.wait(seconds)
    world.fleet.send(pid, SIGCONT)
    return f"worker {pid} for {seconds:.1f} s"


def _kill_all(world: World, rng: random.Random) -> str:
    _picked(world, rng)
    pids = world.fleet.mortal()
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


def _killed(found: Evidence, sight: Sight) -> None:
    lost = found.attempts("lost")
    sight.saw(f"{found.endings.get(KILLED, 0)} workers killed, {lost} attempts lost, their jobs succeeded later")
    sight.insist(lost > 0, "leases run out")
    sight.insist(set(found.endings) <= {KILLED}, f"workers end by SIGKILL alone ({dict(found.endings)})")
    sight.insist(found.unharmed(), "every job succeeds")


def _killed_or_drained(found: Evidence, sight: Sight) -> None:
    lost, ends = found.attempts("lost"), dict(found.endings)
    sight.saw(f"workers left by {ends}, {lost} attempts lost, {found.attempts('released')} given back")
    sight.insist(lost + found.attempts("released") > 0, "leases run out or are given back")
    sight.insist(set(ends) <= {KILLED, DRAINED}, f"workers are killed or drain ({ends})")
    sight.insist(found.unharmed(), "every job succeeds")


def _drained(found: Evidence, sight: Sight) -> None:
    released = found.attempts("released")
    sight.saw(f"{found.endings.get(DRAINED, 0)} workers left with 0, {released} attempts given back, 0 counted")
    sight.insist(released > 0, "what cannot end in time is given back")
    sight.insist(set(found.endings) == {DRAINED}, f"workers leave with status 0 ({dict(found.endings)})")
    sight.insist(found.crashes == 0 and found.attempts("lost") == 0, "nothing counts as a crash")
    sight.insist(found.unharmed(), "every job succeeds")


def _thawed(found: Evidence, sight: Sight) -> None:
    fenced = found.said("finished too late") + found.said("the lease was lost")
    sight.saw(f"{found.attempts('lost')} attempts lost, {fenced} late ends fenced off, no worker left")
    sight.insist(found.attempts("lost") > 0, "others take over the jobs of the frozen worker")
    sight.insist(fenced > 0, "what it reports late is fenced off")
    sight.insist_workers_stay(found)
    sight.insist(found.unharmed(), "every job succeeds")


_AGAIN = "leases run out, others work the jobs"
FAULTS = (
    Fault("sigkill", "workers", "SIGKILL to a worker", _AGAIN, _kill, _killed),
    Fault("sigkill_all", "workers", "SIGKILL to all workers at once", _AGAIN, _kill_all, _killed),
    Fault(
        "sigterm",
        "workers",
        "SIGTERM to a worker",
        "it drains; what cannot end is given back unharmed",
        _terminate,
        _drained,
    ),
    Fault(
        "sigterm_sigkill", "workers", "SIGTERM, SIGKILL within 0.4 s", _AGAIN, _terminate_then_kill, _killed_or_drained
    ),
    Fault(
        "sigstop",
        "workers",
        "SIGSTOP for 1.3 to 2.3 leases, then SIGCONT",
        "others work its jobs; what it reports late is fenced off",
        _freeze,
        _thawed,
    ),
    Fault("slow_load", "workers", "SIGKILL; the model of the next one loads for 6 s", _AGAIN, _slow_load, _killed),
)
