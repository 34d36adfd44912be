"""Jobs that hurt whoever works them."""

from __future__ import annotations

import random

from benchmarks.chaos.evidence import KILLED, Evidence, JobFound, Sight
from benchmarks.chaos.pictures import Kind
from benchmarks.chaos.producer import TRIES
from benchmarks.chaos.world import Fault, SkippedError, World, ask

WORKERS_EACH = 4
MOST_KILLERS = 2


def _killer(world: World, rng: random.Random) -> None:
    """A second one while the first still kills; many would leave no worker for anybody else."""
    if world.producer.open_of(Kind.KILLS) >= MOST_KILLERS or not world.producer.ask_for(Kind.KILLS, 1):
        raise SkippedError(f"{MOST_KILLERS} are not convicted yet")


def _no_memory(world: World, rng: random.Random) -> None:
    ask(world, Kind.NO_MEMORY)


def _convicted(found: Evidence, sight: Sight) -> None:
    guilty = found.of_kind(Kind.KILLS)
    kills = found.endings.get(KILLED, 0)
    lost_beside = sum(_lost_beside(found, job) for job in guilty)
    harmed = max((job.crashes for job in found.of_kind(Kind.PLAIN, Kind.SLOW)), default=0)
    sight.saw(
        f"{len(guilty)} convicted after 4 lost attempts each ({kills} workers), alone the last time; a neighbour lost "
        f"{harmed} at most, and all succeeded"
    )
    sight.insist(bool(guilty) and {job.error_code for job in guilty} == {"worker_lost"}, "`worker_lost`")
    sight.insist(all(_took_four(job) for job in guilty), "each is convicted once, after four lost attempts")
    sight.insist(lost_beside == 0, f"nobody is lost beside it the last time ({lost_beside} were)")
    # Two of them in one worker lose it together.
    sight.insist(WORKERS_EACH <= kills <= WORKERS_EACH * len(guilty), f"no worker more than that ({kills})")
    sight.insist(set(found.endings) <= {KILLED}, f"workers end by SIGKILL alone ({dict(found.endings)})")
    sight.insist(found.unharmed(but=[Kind.KILLS]), "its neighbours succeed")


def _took_four(job: JobFound) -> bool:
    return job.crashes == WORKERS_EACH and [each.outcome for each in job.attempts] == ["lost"] * WORKERS_EACH


def _lost_beside(found: Evidence, guilty: JobFound) -> int:
    """Attempts of others that were lost with the worker that the last attempt of this one killed."""
    last = guilty.attempts[-1].worker_id
    others = [each for job in found.jobs if job is not guilty for each in job.attempts]
    return sum(each.worker_id == last and each.outcome == "lost" for each in others)


def _out_of_memory(found: Evidence, sight: Sight) -> None:
    guilty = found.of_kind(Kind.NO_MEMORY)
    sight.saw(f"{len(guilty)} jobs failed `internal_error` after 3 attempts each, no worker left")
    sight.insist(bool(guilty) and {job.error_code for job in guilty} == {"internal_error"}, "`internal_error`")
    sight.insist(all(len(job.attempts) == TRIES[Kind.NO_MEMORY] for job in guilty), "after its three attempts")
    sight.insist_workers_stay(found)
    sight.insist(found.unharmed(but=[Kind.NO_MEMORY]), "its neighbours succeed at once")


FAULTS = (
    Fault(
        "job_kills_worker",
        "jobs",
        "a job whose model call is SIGKILL to its own process",
        "convicted alone after four workers: `worker_lost`; its neighbours succeed",
        _killer,
        _convicted,
    ),
    Fault(
        "job_memory_error",
        "jobs",
        "a job whose model call raises MemoryError",
        "`internal_error` after its three attempts; the worker goes on",
        _no_memory,
        _out_of_memory,
    ),
)
