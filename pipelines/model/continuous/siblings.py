"""Requests on one picture: the first fills the cache with their common prefix, the others wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.model.schedule import Ticket


@dataclass(slots=True, eq=False)
class _Family:
    leader: Ticket | None
    members: int = 1


class Siblings:
    """Prompts share what is cached already, not what is still being computed: who starts too early computes it again.

    Siblings are requests whose first picture is the same. A family without a member in flight starts over, because
    what nobody uses may have left the cache.
    """

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def may_start(self, ticket: Ticket) -> bool:
        """Whether no sibling of this ticket is in its prefill."""
        family = self._families.get(_key(ticket))
        return family is None or family.leader is None

    def started(self, ticket: Ticket) -> None:
        """Note that it is in flight."""
        family = self._families.get(_key(ticket))
        if family is not None:
            family.members += 1
        elif ticket.visual is not None:
            self._families[_key(ticket)] = _Family(ticket)

    def prefilled(self, ticket: Ticket) -> None:
        """It said its first token."""
        family = self._families.get(_key(ticket))
        if family is not None and family.leader is ticket:
            family.leader = None

    def ended(self, ticket: Ticket) -> None:
        """It is no longer in flight, for whatever reason."""
        self.prefilled(ticket)
        family = self._families.get(_key(ticket))
        if family is not None:
            family.members -= 1
            if family.members == 0:
                del self._families[_key(ticket)]


def _key(ticket: Ticket) -> str:
    return ticket.visual.content_keys[0] if ticket.visual is not None else ""
