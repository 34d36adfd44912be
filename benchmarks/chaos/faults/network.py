"""The network between workers and servers: cut, half open, and losing just the answer."""

from __future__ import annotations

import random

from benchmarks.chaos.evidence import Evidence, Sight
from benchmarks.chaos.world import Fault, World

LOSES_TIMES = 5
EVERY_S = 0.3


def _cut(world: World, rng: random.Random) -> None:
    rng.choice([world.database_proxy, world.producer_proxy, world.redis_proxy]).cut()


def _half_open(world: World, rng: random.Random) -> None:
    world.database_proxy.swallow()


def _half_open_redis(world: World, rng: random.Random) -> None:
    world.redis_proxy.swallow()


def _answers_lost(world: World, rng: random.Random) -> None:
    for _ in range(LOSES_TIMES):
        rng.choice([world.database_proxy, world.producer_proxy]).lose_answers()
        world.wait(EVERY_S)


def _connected_again(found: Evidence, sight: Sight) -> None:
    lost = found.attempts("lost")
    sight.saw(f"{found.refused} submits refused and repeated, {lost} attempts lost, every job done once")
    sight.insist_workers_stay(found)
    sight.insist(found.unharmed(), "every job succeeds")


def _given_up(found: Evidence, sight: Sight) -> None:
    given_up = found.said("no answer from the database for")
    sight.saw(f"{given_up} waits given up after a lease, {found.attempts('lost')} attempts lost, every job done once")
    sight.insist(given_up > 0, "silent connections are given up")
    sight.insist_workers_stay(found)
    sight.insist(found.unharmed(), "every job succeeds")


def _submits_go_on(found: Evidence, sight: Sight) -> None:
    sight.insist(found.refused == 0, f"every submit is accepted ({found.refused} were not)")
    sight.insist(found.attempts("lost") == 0, "no lease runs out")
    _connected_again(found, sight)


FAULTS = (
    Fault(
        "network_cut",
        "network",
        "all connections to Postgres or Redis reset",
        "everybody connects again",
        _cut,
        _connected_again,
    ),
    Fault(
        "half_open_postgres",
        "network",
        "a proxy swallows all connections of the workers to Postgres, both ways, for ever",
        "given up after a lease; the jobs go back, no worker hangs",
        _half_open,
        _given_up,
    ),
    Fault(
        "half_open_redis",
        "network",
        "the same to Redis",
        "given up after its timeouts; submits are accepted all the time",
        _half_open_redis,
        _submits_go_on,
    ),
    Fault(
        "answers_lost",
        "network",
        "statements reach Postgres, then the connection breaks instead of their answer, 5 times",
        "claims that nobody knows of run out; commits of unknown end are written once",
        _answers_lost,
        _connected_again,
    ),
)
