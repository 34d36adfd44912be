"""The list of faults, for people."""

from __future__ import annotations

import sys

from benchmarks.chaos.faults import ALL


def print_table() -> int:
    """One line per fault; returns how many there are."""
    for fault in ALL:
        sys.stdout.write(f"{fault.name:28} {fault.how} → {fault.expected}\n")
    return len(ALL)
