"""What a process and its children hold, as the kernel counts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """Resident megabytes of a process and of its children together; its open files and threads."""

    process_mb: float
    children_mb: float
    open_files: int
    threads: int

    @property
    def total_mb(self) -> float:
        return self.process_mb + self.children_mb


def held(pid: int) -> Held:
    """What it holds now; children that end meanwhile count nothing."""
    return Held(
        process_mb=round(_resident_mb(pid), 1),
        children_mb=round(sum(map(_resident_mb, children(pid))), 1),
        open_files=len(os.listdir(f"/proc/{pid}/fd")),
        threads=len(os.listdir(f"/proc/{pid}/task")),
    )


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used, those of children that ended not counted."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS_PER_S


def children(pid: int) -> Iterator[int]:
    """All processes below this one."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found = (task / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, found):
            yield child
            yield from children(child)


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / MIB
    except OSError:
        return 0.0
