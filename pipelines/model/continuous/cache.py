"""Where the keys and values of requests are: rows of their own, and beginnings that several read in one place."""

from __future__ import annotations

from pipelines.model.continuous.passenger import Passenger
from pipelines.model.continuous.prefixes import Prefix, Prefixes, Start
from pipelines.model.continuous.slab import CacheShape, Slabs


class Cache:
    """Rows and shared prefixes in use are together within one bound of tokens; prefixes kept for later have another."""

    def __init__(self, shape: CacheShape, most_tokens: int, prefix_tokens: int) -> None:
        self._slabs, self._prefixes = Slabs(shape, most_tokens), Prefixes(prefix_tokens)

    def seat(self, passenger: Passenger) -> bool:
        """Give it room for all that it may come to hold, and what is known of its prompt; False while there is none."""
        start = self._prefixes.find(passenger.prompt)
        if start is not None and start.shared and self._share(passenger, start.base, start.shared):
            self._begin(passenger, start)
            self._invite(start.base, start.shared)
            return True
        if not self._slabs.seat(passenger):
            return False
        if start is not None:
            self._begin(passenger, start)
        return True

    def keep(self, passenger: Passenger) -> None:
        """Remember a prompt that has just been computed, for those that will begin like it."""
        if self._prefixes.worth(passenger.cached - passenger.found, len(passenger.prompt)):
            self._prefixes.keep(passenger.prompt, passenger.home.read(passenger, passenger.cached), passenger)

    def leave(self, passenger: Passenger) -> None:
        """Its room is free."""
        passenger.home.vacate(passenger.row)
        prefix, passenger.slab, passenger.prefix = passenger.prefix, None, None
        if prefix is not None:
            self._let_go(prefix)

    def forget_prefixes(self) -> None:
        """Let no later prompt find what was computed before."""
        self._prefixes.clear()

    def _share(self, passenger: Passenger, base: Prefix, level: int) -> bool:
        """Seat it behind the first `level` tokens of `base`; False, and nothing has changed, where there is no room."""
        if not base.users and not self._slabs.reserve(len(base.ids)):
            return False
        self._prefixes.hold(base, level)
        passenger.prefix, passenger.shared = base, level
        if self._slabs.seat(passenger):
            return True
        passenger.prefix, passenger.shared = None, 0
        self._let_go(base)
        return False

    def _let_go(self, prefix: Prefix) -> None:
        self._prefixes.release(prefix)
        if not prefix.users:
            self._slabs.release(len(prefix.ids))

    def _begin(self, passenger: Passenger, start: Start) -> None:
        passenger.home.write(passenger, start.prefix.store[:, :, :, passenger.shared : start.tokens])
        passenger.cached = passenger.found = start.tokens

    def _invite(self, base: Prefix, level: int) -> None:
        """Who computed the prefix reads it where all others do from now on, and its row shrinks."""
        owner = base.owner
        if owner is None or owner.slab is None or owner.prefix is not None or not owner.said:
            return
        slab, row = owner.slab, owner.row
        rest = slab.store[:, :, row, :, level : owner.cached].clone()
        if self._share(owner, base, level):
            owner.home.write(owner, rest)
            slab.vacate(row)
