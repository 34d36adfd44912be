"""Waiting for the ledger by looking at it now and then: works without Redis, and through a database restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from reelmill.errors import DatabaseUnavailableError, WaitTimeoutError

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
PAUSE_GROWTH = 1.3
SHARE_OF_TIME = 0.1
"""Looking takes at most about this share of the time, however large the batch."""
DATABASE_PATIENCE_S = 60.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Watch(Generic[T]):
    """What is waited for.

    Attributes:
        subject: its name in errors.
        look: asks how it stands.
        done: whether what was seen is the end.
        held_up_by: a sentence on what it waits for itself, for the error of a timeout; "" when nothing is known.
    """

    subject: str
    look: Callable[[], T]
    done: Callable[[T], bool]
    held_up_by: Callable[[], str] = str


def wait_until(watch: Watch[T], *, timeout_s: float | None) -> T:
    """Look until it is done; returns what was seen last.

    Raises:
        WaitTimeoutError: not done in time; the work goes on.
        DatabaseUnavailableError: the database has not answered for a minute.
    """
    patience = _Patience(watch, timeout_s)
    while not patience.saw_the_end():
        time.sleep(patience.pause_s())
    return patience.seen[-1]


async def wait_until_async(watch: Watch[T], *, timeout_s: float | None) -> T:
    """As `wait_until`; a thread is held while it looks, none while it pauses."""
    patience = _Patience(watch, timeout_s)
    while not await asyncio.to_thread(patience.saw_the_end):
        await asyncio.sleep(await asyncio.to_thread(patience.pause_s))
    return patience.seen[-1]


class _Patience(Generic[T]):
    """Looks, and decides how long to pause between two looks, and when to give up."""

    def __init__(self, watch: Watch[T], timeout_s: float | None) -> None:
        self.seen: list[T] = []
        """What was seen last; empty before the first look."""
        self._watch = watch
        self._ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        self._next_pause_s = FIRST_PAUSE_S
        self._looked_at = 0.0
        self._silent_since: float | None = None

    def saw_the_end(self) -> bool:
        """Look once."""
        self._looked_at = time.monotonic()
        try:
            self.seen = [self._watch.look()]
        except DatabaseUnavailableError:
            self._silent_since = self._silent_since or self._looked_at
            if time.monotonic() - self._silent_since >= DATABASE_PATIENCE_S:
                raise
            return False
        self._silent_since = None
        return self._watch.done(self.seen[-1])

    def pause_s(self) -> float:
        """How long to pause now; raises WaitTimeoutError when time is up."""
        now = time.monotonic()
        if self._ends_at is not None and now >= self._ends_at:
            raise self._timeout()
        wanted_s = max(self._next_pause_s, (now - self._looked_at) / SHARE_OF_TIME)
        self._next_pause_s = min(self._next_pause_s * PAUSE_GROWTH, LONGEST_PAUSE_S)
        return wanted_s if self._ends_at is None else min(wanted_s, self._ends_at - now)

    def _timeout(self) -> WaitTimeoutError:
        reason = ""
        with suppress(DatabaseUnavailableError):
            reason = self._watch.held_up_by()
        return WaitTimeoutError(
            f"not done in time; {reason}" if reason else "not done in time",
            subject=self._watch.subject,
            next_step="It goes on; wait again, or cancel it",
        )
