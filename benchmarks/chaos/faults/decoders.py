"""Files that crash, hang or bloat the decoder process."""

from __future__ import annotations

import random
from collections import Counter

from benchmarks.chaos.accounting import EXPECTED_CODES
from benchmarks.chaos.evidence import Evidence, Look, Sight
from benchmarks.chaos.pictures import Kind
from benchmarks.chaos.world import Fault, World, ask


def _crashes(world: World, rng: random.Random) -> None:
    ask(world, Kind.CRASHES_DECODER)


def _hangs(world: World, rng: random.Random) -> None:
    ask(world, Kind.HANGS_DECODER)


def _bloats(world: World, rng: random.Random) -> None:
    ask(world, Kind.BLOATS_DECODER)


def _fails(kind: Kind) -> Look:
    def look(found: Evidence, sight: Sight) -> None:
        guilty = found.of_kind(kind)
        codes = Counter(str(job.error_code) for job in guilty)
        told = ", ".join(f"{count} jobs failed `{code}`" for code, count in codes.items())
        sight.saw(f"{told}; all others succeeded, no worker left")
        sight.insist(bool(guilty) and set(codes) <= EXPECTED_CODES[kind], " or ".join(EXPECTED_CODES[kind]))
        sight.insist(found.crashes == 0, "no lease runs out")
        sight.insist_workers_stay(found)
        sight.insist(found.unharmed(but=[kind]), "all others succeed")

    return look


FAULTS = (
    Fault(
        "decoder_segfaults",
        "decoders",
        "SIGSEGV inside the sandbox",
        "failed: `decoder_crashed`",
        _crashes,
        _fails(Kind.CRASHES_DECODER),
    ),
    Fault(
        "decoder_hangs",
        "decoders",
        "the decoder sleeps",
        "killed at its time limit: `decode_timeout`",
        _hangs,
        _fails(Kind.HANGS_DECODER),
    ),
    Fault(
        "decoder_bloats",
        "decoders",
        "memory taken without end",
        "stopped at a limit: `media_too_large`, or `decode_timeout` where that is first",
        _bloats,
        _fails(Kind.BLOATS_DECODER),
    ),
)
