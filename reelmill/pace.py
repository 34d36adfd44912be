"""How fast a batch goes, and how long it will still take."""

from __future__ import annotations

from collections import deque

WINDOW_S = 60.0
"""The rate is that of the last minute: an archive's media are not all alike, and workers come and go."""
SHORTEST_S = 1.0
"""Two looks a moment apart say nothing about the next hour."""


class Pace:
    """Remembers how many jobs had ended when. Times are seconds of any clock that only goes forward."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def saw(self, now_s: float, finished: int) -> None:
        """So many jobs have ended by now. Fewer than before (a retry) starts anew."""
        if self._seen and finished < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now_s, finished))
        # The last sample before the window stays: the rate spans the whole of it.
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - WINDOW_S:
            self._seen.popleft()

    @property
    def jobs_per_s(self) -> float | None:
        """None until something was seen to end, and when nothing has ended for a minute."""
        if len(self._seen) < 2:
            return None
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_s - first_s) if last > first and last_s - first_s >= SHORTEST_S else None

    def remaining_s(self, left: int) -> float | None:
        """Seconds that so many jobs will take at this rate; None when there is none."""
        rate = self.jobs_per_s
        return None if rate is None else left / rate
