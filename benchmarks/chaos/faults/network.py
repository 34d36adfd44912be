"""The network between workers and servers: cut, half open, and losing just the answer."""

from __future__ import annotations

import random

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


FAULTS = (
    Fault("network_cut", "network", "all connections to Postgres or Redis reset", "everybody connects again", _cut),
    Fault(
        "half_open_postgres",
        "network",
        "a proxy swallows all connections of the workers to Postgres, both ways, for ever",
        "given up after a lease; the jobs go back, no worker hangs",
        _half_open,
    ),
    Fault(
        "half_open_redis",
        "network",
        "the same to Redis",
        "given up after its timeouts; submits are accepted all the time",
        _half_open_redis,
    ),
    Fault(
        "answers_lost",
        "network",
        "statements reach Postgres, then the connection breaks instead of their answer, 5 times",
        "claims that nobody knows of run out; commits of unknown end are written once",
        _answers_lost,
    ),
)
