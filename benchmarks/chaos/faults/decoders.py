"""Files that crash, hang or bloat the decoder process."""

from __future__ import annotations

import random

from benchmarks.chaos.evidence import Evidence, Look, Sight
from benchmarks.chaos.pictures import Kind
from benchmarks.chaos.world import Fault, World, ask


def _crashes(world: World, rng: random.Random) -> None:
    ask(world, Kind.CRASHES_DECODER)


def _hangs(world: World, rng: random.Random) -> None:
    ask(world, Kind.HANGS_DECODER)


def _bloats(world: World, rng: random.Random) -> None:
    ask(world, Kind.BLOATS_DECODER)


def _fails(kind: Kind, code: str) -> Look:
    def look(found: Evidence, sight: Sight) -> None:
        guilty = found.of_kind(kind)
        sight.saw(f"{len(guilty)} jobs failed `{code}`, all others succeeded, no worker left")
        sight.insist(bool(guilty) and {job.error_code for job in guilty} == {code}, f"`{code}`")
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
        _fails(Kind.CRASHES_DECODER, "decoder_crashed"),
    ),
    Fault(
        "decoder_hangs",
        "decoders",
        "the decoder sleeps",
        "killed at its time limit: `decode_timeout`",
        _hangs,
        _fails(Kind.HANGS_DECODER, "decode_timeout"),
    ),
    Fault(
        "decoder_bloats",
        "decoders",
        "memory taken without end",
        "stopped at its limit: `media_too_large`",
        _bloats,
        _fails(Kind.BLOATS_DECODER, "media_too_large"),
    ),
)
