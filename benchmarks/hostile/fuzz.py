"""Sound files with some of their bytes changed, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.hostile.cases import Case, Scene

Change = Callable[[bytearray, random.Random], bytearray]


def _flipped(data: bytearray, random_: random.Random) -> bytearray:
    """A few bits, anywhere."""
    for _ in range(random_.choice((1, 2, 5, 20))):
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    return data


def _in_the_head(data: bytearray, random_: random.Random) -> bytearray:
    """Bytes of the first kilobyte, where sizes and counts stand."""
    for _ in range(random_.choice((1, 3, 10))):
        data[random_.randrange(4, min(len(data), 1024))] = random_.choice((0, 1, 0x7F, 0x80, 0xFF))
    return data


def _overwritten(data: bytearray, random_: random.Random) -> bytearray:
    size = random_.choice((16, 64, 256))
    start = random_.randrange(len(data))
    return data[:start] + random_.randbytes(size) + data[start + size :]


def _repeated(data: bytearray, random_: random.Random) -> bytearray:
    """A part twice, and another one missing."""
    start, size = random_.randrange(len(data)), random_.choice((1, 7, 100))
    return data[:start] + data[start : start + size] * 2 + data[start + 3 * size :]


CHANGES: dict[str, Change] = {
    "flipped": _flipped,
    "head": _in_the_head,
    "overwritten": _overwritten,
    "repeated": _repeated,
}


def _changed(case: Case, change: Change, path: Path, scene: Scene) -> None:
    case.make(path, scene)
    path.write_bytes(change(bytearray(path.read_bytes()), random.Random(f"{scene.seed} {path.name}")))


def cases(sound: list[Case], rounds: int) -> list[Case]:
    """Each of the sound files `rounds` times with each kind of change."""
    return [
        Case(f"{kind}_{number}_{case.name}", partial(_changed, case, change), "either", case.truth)
        for case in sound
        for kind, change in CHANGES.items()
        for number in range(rounds)
    ]
