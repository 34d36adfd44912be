"""Seconds as people read them on a player."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """12.4 s → 0:12.4; 3,725 s → 1:02:05."""
    tenths = round(max(seconds, 0.0) * 10)
    minutes, rest = divmod(tenths, 600)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02d}:{rest // 10:02d}"
    return f"{minutes}:{rest // 10:02d}.{rest % 10}"
