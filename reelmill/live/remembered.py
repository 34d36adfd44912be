"""Answers that are kept for a moment: the longer one took, the longer."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LEAST_S = 1.0
TIMES_ITS_COST = 20
"""An answer is kept twenty times as long as it took: asking takes at most a twentieth of one connection's time."""
MOST_KEYS = 256


class Remembered(Generic[K, V]):
    """A function whose answers are kept; threads that ask the same at once wait for one answer. Errors are not kept."""

    def __init__(self, ask: Callable[[K], V]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answers: OrderedDict[K, _Answer[V]] = OrderedDict()

    def __call__(self, key: K) -> V:
        with self._lock:
            answer = self._answers.setdefault(key, _Answer())
            self._answers.move_to_end(key)
            while len(self._answers) > MOST_KEYS:
                self._answers.popitem(last=False)
        return answer.get(lambda: self._ask(key))


class _Answer(Generic[V]):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value: list[V] = []
        self._good_until = 0.0

    def get(self, ask: Callable[[], V]) -> V:
        with self._lock:
            asked_at = time.monotonic()
            if not self._value or asked_at >= self._good_until:
                self._value = [ask()]
                answered_at = time.monotonic()
                self._good_until = answered_at + max(LEAST_S, TIMES_ITS_COST * (answered_at - asked_at))
            return self._value[0]
