"""Which GPUs this machine shows, and how they are shared out among shards. Neither torch nor CUDA is touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from worker.errors import WorkerConfigError

ALL = "all"
LISTING_TIMEOUT_S = 30.0
_LISTED = re.compile(r"^(?P<part>\s*MIG .*?)?(?:GPU (?P<index>\d+):)?.*\(UUID: (?P<uuid>[^)]+)\)")


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that CUDA would show here: those of CUDA_VISIBLE_DEVICES if it is set, else what the driver lists.

    Numbers follow the PCI bus, as in `nvidia-smi`; a GPU that is cut into MIG instances is named by those.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return _usable(chosen)
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return _device_files()
    try:
        ran = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=LISTING_TIMEOUT_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return _device_files()
    return parse_listing(ran.stdout)


def parse_listing(listing: str) -> tuple[str, ...]:
    """What `nvidia-smi -L` printed, as entries of CUDA_VISIBLE_DEVICES."""
    names: list[str] = []
    whole: str | None = None
    for line in listing.splitlines():
        found = _LISTED.match(line)
        if found is None:
            continue
        if found["part"] is None and found["index"] is not None:
            whole = found["index"]
            names.append(whole)
        elif found["part"] is not None:
            if names and names[-1] == whole:
                # Its instances follow; CUDA does not compute on the whole of a GPU that is cut up.
                names.pop()
            names.append(found["uuid"])
    return tuple(names)


def share_out(gpus: str | None, per_shard: int) -> tuple[str, ...]:
    """GPU lists, one per shard: `share_out("0,1,2,3", 2)` is `("0,1", "2,3")`.

    Args:
        gpus: a list like 0,1,2,3, or "all" (also None) for every visible one.

    Raises:
        WorkerConfigError: no GPU is visible, or they cannot be shared out evenly.
    """
    names = visible_gpus() if gpus in (None, ALL) else tuple(name.strip() for name in str(gpus).split(","))
    if not names:
        raise WorkerConfigError(
            "no GPU is visible", subject="--gpus", next_step="Check `nvidia-smi -L`; without GPUs use --replicas"
        )
    if len(names) % per_shard:
        usable = ",".join(names[: len(names) - len(names) % per_shard])
        raise WorkerConfigError(
            f"{len(names)} GPUs cannot be shared out {per_shard} by {per_shard}",
            subject="--gpus-per-shard",
            next_step=f"Leave some out: --gpus {usable}" if usable else f"Use at most {len(names)}",
        )
    return tuple(",".join(names[start : start + per_shard]) for start in range(0, len(names), per_shard))


def _usable(chosen: str) -> tuple[str, ...]:
    """CUDA reads the list up to the first entry that is none."""
    names: list[str] = []
    for name in (part.strip() for part in chosen.split(",")):
        if not name or name.startswith("-"):
            break
        names.append(name)
    return tuple(names)


def _device_files() -> tuple[str, ...]:
    count = sum(path.name.removeprefix("nvidia").isdigit() for path in Path("/dev").glob("nvidia*"))
    return tuple(str(index) for index in range(count))
