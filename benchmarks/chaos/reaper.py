"""Ends what the bench started, when the bench itself ends, killed or not. `python -m benchmarks.chaos.reaper ROOT`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from benchmarks._processes import children

KEEP = "keep"
"""A file of this name: data and logs stay."""


def reap(root: Path) -> None:
    """Kill the servers below `root`, unmount its small disk, and remove it."""
    for name in ("redis.pid", "postgres/postmaster.pid"):
        with suppress(OSError, ValueError):
            pid = int((root / name).read_text().split()[0])
            for victim in (pid, *children(pid)):
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
    disk = root / "downloads"
    while disk.is_mount():
        subprocess.run(["umount", "-l", str(disk)], check=False)
        time.sleep(0.1)
    if not (root / KEEP).exists():
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.read()
    reap(Path(sys.argv[1]))
