"""The jobs that this process holds: how many may be in flight, and who hears of their end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from pipelines.cancellation import Cancellation
from reelmill.ledger.claim import GROUP_SIZE, ClaimedJob
from reelmill.ledger.lease import Lease

ANY_NUMBER = 1_000_000
StopReason = Literal["cancelled", "draining", "lost"]


@dataclass(eq=False)
class HeldJob:
    """A claimed job in flight in this process. `stopped_for` says why its cancellation was set."""

    job: ClaimedJob
    cancellation: Cancellation = field(default_factory=Cancellation)
    stopped_for: StopReason | None = None

    @property
    def lease(self) -> Lease:
        """What the ledger's fence checks."""
        return self.job.lease

    def stop(self, reason: StopReason) -> None:
        """Ask its stages to end; the first reason stays."""
        self.stopped_for = self.stopped_for or reason
        self.cancellation.cancel()


class Leases:
    """Registry of held jobs. A suspect job (it lost its workers before) keeps the others' number down."""

    def __init__(self) -> None:
        self._held: dict[UUID, HeldJob] = {}
        self._lock = threading.Lock()
        self._room_wanted = False

    def take(self, claim: Callable[[int], ClaimedJob | None]) -> HeldJob | None:
        """Claim under the lock, so that the number in flight that `claim` is told stays true.

        Returns None when there is no job, or none may be started beside the suspects that run.
        """
        with self._lock:
            if len(self._held) >= self._allowed():
                return None
            job = claim(len(self._held))
            if job is None:
                self._room_wanted = False
                return None
            held = HeldJob(job)
            self._held[job.lease_token] = held
            self._room_wanted = self._room_wanted and job.isolation == "none"
            return held

    def drop(self, held: HeldJob) -> None:
        """The job has ended here, whatever its end."""
        with self._lock:
            self._held.pop(held.job.lease_token, None)

    def make_room(self) -> None:
        """Start nothing new until the process is empty once: a suspect waits to run alone."""
        with self._lock:
            self._room_wanted = True

    def tokens(self) -> tuple[UUID, ...]:
        """Lease tokens of all held jobs."""
        with self._lock:
            return tuple(self._held)

    def stop(self, tokens: Collection[UUID], reason: StopReason) -> None:
        """Stop those of the held jobs."""
        with self._lock:
            held = [self._held[token] for token in tokens if token in self._held]
        for job in held:
            job.stop(reason)

    def _allowed(self) -> int:
        isolations = {held.job.isolation for held in self._held.values()}
        if "alone" in isolations or self._room_wanted:
            return 1 if not self._held else 0
        return GROUP_SIZE if "group" in isolations else ANY_NUMBER
