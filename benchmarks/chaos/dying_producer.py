"""Submits the specs in a file, and dies where it would ring. `python -m benchmarks.chaos.dying_producer FILE`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from reelmill import Client, JobSpec
from reelmill.bells import Bells


def _die(*_: Any) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


if __name__ == "__main__":
    Bells.ring = _die  # type: ignore[assignment, method-assign]
    lines = Path(sys.argv[1]).read_text().splitlines()
    Client().submit_many(JobSpec.model_validate_json(line) for line in lines)
