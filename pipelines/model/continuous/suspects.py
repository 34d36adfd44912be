"""After a failure: those who were in flight are tried again, fewer at a time, until only who fails alone has failed."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.model.continuous.budget import Budget
from pipelines.model.schedule import Ticket

_LEAST_STEP_TOKENS = 256


class Suspects:
    """How much may be in flight, and who waits for another try.

    A failure halves what is tried together and, where memory ran out, the steps and the cache. Who fails alone gets one
    more try, because not everything that fails is the fault of who is there. Once a request is convicted, the bounds
    are those from before. Once all got through, what memory ran out with is not tried again.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._proven = budget
        self._short_of_memory = False
        self._open: set[Ticket] = set()
        self._alone: Ticket | None = None
        self.waiting: list[Ticket] = []

    @property
    def any(self) -> bool:
        """Whether somebody is under suspicion: nobody else starts until all are cleared."""
        return bool(self._open)

    def accuse(self, tickets: Sequence[Ticket], out_of_memory: bool) -> Ticket | None:
        """These were in flight when it failed. The one that is convicted, if it failed alone again; else all wait."""
        alone = tickets[0] if len(tickets) == 1 else None
        again, self._alone = alone is not None and alone is self._alone, alone
        if again and not (out_of_memory and self.budget.step_tokens > _LEAST_STEP_TOKENS):
            self.budget, self._short_of_memory = self._proven, False
            self.cleared(tickets[0])
            return tickets[0]
        requests = max(1, len(tickets) // 2)
        self.budget = self.budget.smaller(requests) if out_of_memory else self.budget.at_most(requests)
        self._short_of_memory = self._short_of_memory or out_of_memory
        self._open.update(tickets)
        self.waiting = [*tickets, *self.waiting]
        return None

    def cleared(self, ticket: Ticket) -> None:
        """It ended, and nothing failed with it."""
        self._open.discard(ticket)
        self._alone = None
        if self._open:
            return
        if self._short_of_memory:
            self._proven = self.budget
        self.budget, self._short_of_memory = self._proven, False
