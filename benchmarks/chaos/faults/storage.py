"""S3 that fails, dawdles, cuts and replaces; and a local disk without room."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import suppress

import psycopg

from benchmarks.chaos.evidence import Evidence, Sight
from benchmarks.chaos.storage import SLOW_S, Trouble
from benchmarks.chaos.world import Fault, SkippedError, World

LASTS_S = (1.0, 4.0)
MEETS, MEETS_S = 12, 10.0
"""It lasts until so many reads have met it, but not for much longer."""
REPLACED = 20
LISTED_S = 10.0
BALLAST = "ballast"
CHUNK_BYTES = 4096


def _trouble(kind: Trouble):  # type: ignore[no-untyped-def]
    def inject(world: World, rng: random.Random) -> str:
        seconds, before = rng.uniform(*LASTS_S), world.storage.app.met
        world.storage.app.trouble = kind
        try:
            world.wait(seconds)
            _until_met(world, before + MEETS)
        finally:
            world.storage.app.trouble = None
        return f"{world.storage.app.met - before} reads"

    return inject


def _until_met(world: World, reads: int) -> None:
    """On a busy machine some seconds may pass without any read."""
    gives_up_at = time.monotonic() + MEETS_S
    while world.storage.app.met < reads and time.monotonic() < gives_up_at and not world.over.is_set():
        world.wait(0.1)


def _replace(world: World, rng: random.Random) -> str:
    """While reads are slow: objects that a listing has pinned, and those of young jobs: queued, being read, or done."""
    world.storage.app.trouble = "slow"
    try:
        listed = world.producer.scan()
        _until_listed(world, listed)
        youngest = sorted(world.producer.register.accepted)[-REPLACED:]
        wanted = dict.fromkeys([*listed, *youngest])
        replaced = [number for number in wanted if rng.random() < 0.5 and world.producer.replace(number)]
        world.wait(SLOW_S)
    finally:
        world.storage.app.trouble = None
    return f"{len(replaced)} objects"


def _until_listed(world: World, numbers: Sequence[int]) -> None:
    """Until the first of these pictures has a job."""
    statement = "SELECT EXISTS (SELECT FROM media WHERE uri LIKE %s AND etag IS NOT NULL)"
    ends_at = time.monotonic() + LISTED_S
    while time.monotonic() < ends_at and not world.over.is_set():
        with psycopg.connect(world.servers.database_url) as connection:
            if connection.execute(statement, (f"%/{numbers[0]}.png",)).fetchone() == (True,):
                return
        world.wait(0.05)


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


def _retried(found: Evidence, sight: Sight) -> None:
    retried = found.attempts("retried", "storage_unavailable")
    sight.saw(f"{retried} attempts ended `storage_unavailable` and were repeated, every job done once")
    sight.insist(retried > 0, "some attempts are repeated")
    sight.insist(found.crashes == 0, "no lease runs out")
    sight.insist_workers_stay(found)
    sight.insist(found.unharmed(), "every job succeeds")


def _resumed(found: Evidence, sight: Sight) -> None:
    sight.saw(f"{found.attempts('retried', 'storage_unavailable')} attempts repeated, the other reads resumed")
    sight.insist_workers_stay(found)
    sight.insist(found.unharmed(), "every job succeeds")


def _waited(found: Evidence, sight: Sight) -> None:
    sight.saw(f"{found.attempts('retried')} attempts repeated, every job done once")
    sight.insist(found.attempts("retried") == 0, "a slow answer is waited for")
    sight.insist_workers_stay(found)
    sight.insist(found.unharmed(), "every job succeeds")


def _changed(found: Evidence, sight: Sight) -> None:
    failed = sum(job.error_code == "object_changed" for job in found.jobs)
    newer = sum(job.state == "succeeded" and job.version_read > 0 for job in found.jobs)
    sight.saw(f"{failed} jobs failed `object_changed`, {newer} read the new version whole")
    sight.insist(failed > 0, "`object_changed` comes up")
    others = [job for job in found.jobs if job.error_code != "object_changed"]
    sight.insist(all(job.state == "succeeded" for job in others), "every other job succeeds")
    sight.insist_workers_stay(found)


_LATER = "tried again with backoff"
FAULTS = (
    Fault("s3_500", "storage", "70% of reads answered 500, for 1 s and more", _LATER, _trouble("500"), _retried),
    Fault(
        "s3_503", "storage", "70% of reads answered 503 SlowDown, for 1 s and more", _LATER, _trouble("503"), _retried
    ),
    Fault("s3_slow", "storage", "70% of reads 1.5 s late, for 1 s and more", "waited for", _trouble("slow"), _waited),
    Fault(
        "s3_cut",
        "storage",
        "70% of reads cut in the middle, for 1 s and more",
        "resumed, or " + _LATER,
        _trouble("cut"),
        _resumed,
    ),
    Fault(
        "s3_replaced",
        "storage",
        "other objects under the same keys, between submit and read and during retries",
        "the version that was pinned, or `object_changed`; never a mixture",
        _replace,
        _changed,
    ),
    Fault(
        "disk_full",
        "storage",
        "the download directory (a tmpfs of 1 MB) filled for 1 to 4 s",
        _LATER,
        _fill_disk,
        _retried,
    ),
)
