"""S3 that fails, dawdles, cuts and replaces; and a local disk without room."""

from __future__ import annotations

import random
from contextlib import suppress

from benchmarks.chaos.storage import Trouble
from benchmarks.chaos.world import Fault, SkippedError, World

LASTS_S = (1.0, 4.0)
REPLACED = 20
BALLAST = "ballast"
CHUNK_BYTES = 4096


def _trouble(kind: Trouble):  # type: ignore[no-untyped-def]
    def inject(world: World, rng: random.Random) -> str:
        seconds = rng.uniform(*LASTS_S)
        world.storage.app.trouble = kind
        try:
            world.wait(seconds)
        finally:
            world.storage.app.trouble = None
        return f"{seconds:.1f} s"

    return inject


def _replace(world: World, rng: random.Random) -> str:
    """Among the youngest, some are queued, some are being read, some are done."""
    youngest = sorted(world.producer.register.accepted)[-REPLACED:]
    replaced = [number for number in youngest if rng.random() < 0.5 and world.producer.replace(number)]
    return f"{len(replaced)} objects"


def _fill_disk(world: World, rng: random.Random) -> str:
    if world.disk is None:
        raise SkippedError("no file system could be mounted for it")
    seconds, ballast = rng.uniform(*LASTS_S), world.disk / BALLAST
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(CHUNK_BYTES))
        world.wait(seconds)
    finally:
        ballast.unlink(missing_ok=True)
    return f"{seconds:.1f} s"


_LATER = "tried again with backoff"
FAULTS = (
    Fault("s3_500", "storage", "70% of reads answered 500, for 1 to 4 s", _LATER, _trouble("500")),
    Fault("s3_503", "storage", "70% of reads answered 503 SlowDown, for 1 to 4 s", _LATER, _trouble("503")),
    Fault("s3_slow", "storage", "70% of reads 1.5 s late, for 1 to 4 s", "waited for", _trouble("slow")),
    Fault(
        "s3_cut", "storage", "70% of reads cut in the middle, for 1 to 4 s", "resumed, or " + _LATER, _trouble("cut")
    ),
    Fault(
        "s3_replaced",
        "storage",
        "other objects under the same keys, between submit and read and during retries",
        "the version that was pinned, or `object_changed`; never a mixture",
        _replace,
    ),
    Fault("disk_full", "storage", "the download directory (a tmpfs of 1 MB) filled for 1 to 4 s", _LATER, _fill_disk),
)
