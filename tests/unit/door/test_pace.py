"""Rate and time left."""

from __future__ import annotations

import pytest

from reelmill.pace import WINDOW_S, Pace


def test_the_rate_counts_only_what_was_seen_to_end() -> None:
    pace = Pace()
    pace.saw(10.0, 5000)
    assert pace.jobs_per_s is None
    pace.saw(20.0, 5030)
    assert pace.jobs_per_s == pytest.approx(3.0)
    assert pace.remaining_s(90) == pytest.approx(30.0)


def test_the_rate_is_that_of_the_last_minute() -> None:
    pace = Pace()
    for second in range(200):
        pace.saw(float(second), second * 100 if second < 100 else 10_000 + (second - 100) * 2)
    assert pace.jobs_per_s == pytest.approx(2.0, rel=0.05)
    assert len(pace._seen) <= WINDOW_S + 2


def test_a_standstill_has_no_time_left() -> None:
    pace = Pace()
    for second in range(150):
        pace.saw(float(second), 7 if second else 0)
    assert (pace.jobs_per_s, pace.remaining_s(5)) == (None, None)


def test_a_retry_starts_anew() -> None:
    pace = Pace()
    pace.saw(0.0, 100)
    pace.saw(10.0, 200)
    pace.saw(20.0, 150)
    assert pace.jobs_per_s is None
    pace.saw(30.0, 160)
    assert pace.jobs_per_s == pytest.approx(1.0)
