"""Files that crash, hang or bloat the decoder process."""

from __future__ import annotations

import random

from benchmarks.chaos.pictures import Kind
from benchmarks.chaos.world import Fault, World


def _crashes(world: World, rng: random.Random) -> None:
    world.producer.ask_for(Kind.CRASHES_DECODER)


def _hangs(world: World, rng: random.Random) -> None:
    world.producer.ask_for(Kind.HANGS_DECODER)


def _bloats(world: World, rng: random.Random) -> None:
    world.producer.ask_for(Kind.BLOATS_DECODER)


FAULTS = (
    Fault("decoder_segfaults", "decoders", "SIGSEGV inside the sandbox", "failed: `decoder_crashed`", _crashes),
    Fault("decoder_hangs", "decoders", "the decoder sleeps", "killed at its time limit: `decode_timeout`", _hangs),
    Fault("decoder_bloats", "decoders", "memory taken without end", "stopped at its limit: `media_too_large`", _bloats),
)
