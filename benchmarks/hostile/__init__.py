"""Hostile media through a worker's storage and decoders: `benchmarks.hostile.bench` says more."""

from benchmarks.hostile.bench import add_arguments, run

__all__ = ["add_arguments", "run"]
