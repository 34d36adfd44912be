"""Waiting by looking."""

from __future__ import annotations

import pytest

from reelmill import waiting
from reelmill.errors import DatabaseUnavailableError, NotFoundError, WaitTimeoutError
from reelmill.waiting import Watch, wait_until


class FakeTime:
    """A clock that sleeping moves; each look takes `look_s`."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.pauses_s: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    clock = FakeTime()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def test_it_returns_what_was_seen_when_done(clock: FakeTime) -> None:
    seen = iter(range(10))
    assert wait_until(Watch("x", lambda: next(seen), lambda value: value == 4), timeout_s=None) == 4
    assert len(clock.pauses_s) == 4


def test_pauses_grow_to_their_bound(clock: FakeTime) -> None:
    seen = iter(range(100))
    wait_until(Watch("x", lambda: next(seen), lambda value: value == 60), timeout_s=None)
    assert clock.pauses_s == sorted(clock.pauses_s)
    assert clock.pauses_s[0] == waiting.FIRST_PAUSE_S
    assert clock.pauses_s[-1] == waiting.LONGEST_PAUSE_S


def test_a_slow_look_makes_the_pauses_longer(clock: FakeTime) -> None:
    looks = iter(range(10))

    def look() -> int:
        clock.now_s += 1.0
        return next(looks)

    wait_until(Watch("x", look, lambda value: value == 2), timeout_s=None)
    assert clock.pauses_s == [10.0, 10.0]


def test_it_looks_a_last_time_at_the_end_of_the_timeout(clock: FakeTime) -> None:
    with pytest.raises(WaitTimeoutError, match="job 7"):
        wait_until(Watch("job 7", lambda: 0, bool), timeout_s=5.0)
    assert clock.now_s == pytest.approx(105.0)
    assert wait_until(Watch("job 7", lambda: clock.now_s >= 110.0, bool), timeout_s=5.0) is True


def test_a_database_that_comes_back_is_waited_for(clock: FakeTime) -> None:
    answers = iter([DatabaseUnavailableError("down")] * 10 + [1])

    def look() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait_until(Watch("x", look, bool), timeout_s=None) == 1


def test_a_database_that_stays_away_is_told_after_a_minute(clock: FakeTime) -> None:
    def look() -> int:
        raise DatabaseUnavailableError("down")

    with pytest.raises(DatabaseUnavailableError):
        wait_until(Watch("x", look, bool), timeout_s=None)
    assert waiting.DATABASE_PATIENCE_S <= clock.now_s - 100.0 <= waiting.DATABASE_PATIENCE_S + waiting.LONGEST_PAUSE_S


def test_other_errors_are_told_at_once(clock: FakeTime) -> None:
    def look() -> int:
        raise NotFoundError("deleted")

    with pytest.raises(NotFoundError):
        wait_until(Watch("x", look, bool), timeout_s=None)
    assert clock.pauses_s == []
