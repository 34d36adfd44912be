"""The faults, one family per module."""

from __future__ import annotations

from benchmarks.chaos.faults import cancel, decoders, jobs, network, postgres, producers, redis, storage, workers
from benchmarks.chaos.world import Fault

ALL: tuple[Fault, ...] = (
    *workers.FAULTS,
    *redis.FAULTS,
    *postgres.FAULTS,
    *network.FAULTS,
    *producers.FAULTS,
    *storage.FAULTS,
    *jobs.FAULTS,
    *decoders.FAULTS,
    *cancel.FAULTS,
)
