"""What the address of a page asks for, checked: nobody's query string reaches a statement as it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import QueryParams

from reelmill.errors import NotFoundError, SpecError
from reelmill.ledger.listing import JobFilter
from reelmill.schema import JobState
from reelmill.schema.results import MediaKind


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters of a list of jobs, as they stand in its address; empty: not asked for."""

    state: str = ""
    kind: str = ""
    label: str = ""
    error: str = ""

    @classmethod
    def of(cls, query: QueryParams) -> Asked:
        return cls(*(query.get(name, "").strip() for name in cls.__slots__))

    def filter(self, batch_id: UUID | None) -> JobFilter:
        """As the ledger takes it. Raises SpecError."""
        states = tuple(JobState)
        if self.state:
            states = (JobState(_one_of(self.state, [state.value for state in JobState], "state")),)
        key, _, value = self.label.partition("=")
        return JobFilter(
            batch_id,
            states,
            kind=_kind(self.kind),
            labels={key.strip(): value.strip()} if key.strip() else {},
            error_code=self.error or None,
        )

    def address(self, **changes: str) -> str:
        """The query string of the same page with these filters changed."""
        given: Mapping[str, str] = {name: getattr(self, name) for name in self.__slots__} | changes
        return "?" + urlencode({name: value for name, value in given.items() if value})


def number(text: str, subject: str) -> int:
    """A count from an address. Raises SpecError."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise SpecError("not a number", subject=f"{subject}={text[:40]}", next_step="Go back to the page before")
    return int(text)


def identifier(text: str) -> UUID:
    """An id from an address. Raises NotFoundError: what is no id is nobody's."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError("there is no such page", subject=text[:80]) from None


def identifier_or_none(text: str | None) -> UUID | None:
    """The same, where it may be left out."""
    return identifier(text) if text else None


def _kind(text: str) -> MediaKind | None:
    kinds: tuple[MediaKind, ...] = get_args(MediaKind)
    return kinds[kinds.index(_one_of(text, kinds, "kind"))] if text else None


def _one_of(text: str, known: tuple[str, ...] | list[str], subject: str) -> str:
    if text not in known:
        raise SpecError(f"not one of {', '.join(known)}", subject=f"{subject}={text[:40]}")
    return text
