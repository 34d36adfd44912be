from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.workers import wait_until
from worker.lookout import Lookout


class Slots:
    """Slots that last until they are let go."""

    def __init__(self) -> None:
        self.running, self.let_go = 0, threading.Event()
        self._lock = threading.Lock()

    def run(self) -> int:
        with self._lock:
            self.running += 1
        self.let_go.wait(20)
        with self._lock:
            self.running -= 1
        return 0


@pytest.fixture
def slots() -> Iterator[Slots]:
    made = Slots()
    yield made
    made.let_go.set()


def test_while_bells_come_it_starts_nothing_by_itself(slots: Slots) -> None:
    lookout = Lookout(slots.run, most=2, silence_s=60)
    lookout.look()
    assert slots.running == 0
    threading.Thread(target=lookout.hear).start()
    wait_until(lambda: slots.running == 1)
    lookout.look()
    assert slots.running == 1


def test_without_bells_each_look_starts_a_slot_until_all_places_are_taken(slots: Slots) -> None:
    lookout = Lookout(slots.run, most=2, silence_s=0)
    for _ in range(4):
        lookout.look()
    wait_until(lambda: slots.running == 2)
    lookout.hear()
    assert slots.running == 2, "a bell that comes then has no place and returns at once"
    slots.let_go.set()
    lookout.wait(10)
    assert slots.running == 0


def test_a_slot_that_fails_gives_its_place_back() -> None:
    tried = []

    def fail() -> int:
        tried.append(1)
        raise SystemExit("out of a job")

    lookout = Lookout(fail, most=1, silence_s=0)
    lookout.hear()
    lookout.look()
    lookout.wait(10)
    lookout.hear()
    assert len(tried) == 3
