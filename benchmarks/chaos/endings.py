"""How a worker left, and why, from its exit status and the end of its log."""

from __future__ import annotations

import re
import signal

_CODE = re.compile(r"left: (\w+)|Unrecoverable error: (\w+)")
"""Ours, or what Celery gave up for."""
LAST_LINE_CHARACTERS = 300


def reason_in(log: str, status: int) -> str:
    """ "SIGKILL", "status 0", "status 3: database_unavailable", or the last line of who left without a typed reason."""
    if status < 0:
        return signal.Signals(-status).name
    if status == 0:
        return "status 0"
    found = _CODE.findall(log)
    lines = log.strip().splitlines() or ["it said nothing"]
    return f"status {status}: {''.join(found[-1]) if found else lines[-1][-LAST_LINE_CHARACTERS:]}"
