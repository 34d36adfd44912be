"""Which tile of the visual vocabulary holds what, and under which ids. Knows nothing of tensors."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

LAST_ID = 2**31 - 1
"""Ids stay below 2³¹, which is what tokenizers and kernels agree on; behind it they come around."""


@dataclass(slots=True, eq=False)
class Holding:
    """A picture in the table.

    Attributes:
        ids: one per feature vector, in order.
        written: whether its features are in the table; who acquires an unwritten holding writes it.
        users: requests that read it now.
    """

    key: str
    tiles: tuple[int, ...]
    ids: tuple[int, ...]
    written: bool = False
    users: int = 0


@dataclass(slots=True)
class VocabularyShape:
    """`tiles` tiles of `tokens_per_tile` slots each; ids from `first_id` to `last_id`."""

    tiles: int
    tokens_per_tile: int
    first_id: int
    last_id: int = LAST_ID
    generations: int = field(init=False)

    def __post_init__(self) -> None:
        self.generations = (self.last_id + 1 - self.first_id) // self.slots
        if self.generations < 1:
            raise ValueError(f"{self.slots} slots do not fit between the ids {self.first_id} and {self.last_id}")

    @property
    def slots(self) -> int:
        """Feature vectors that fit."""
        return self.tiles * self.tokens_per_tile


class Slots:
    """Hands out tiles of the table, and remembers pictures until their room is needed.

    Equal content gets equal ids. A tile that is handed out anew gets ids that it never had, so that an id means one
    content only, until its generations are used up and it starts over: then `wrapped` is set, and whoever remembers
    ids (the prefix cache) must forget them before it sees another.
    """

    def __init__(self, shape: VocabularyShape) -> None:
        self._shape = shape
        self._free = deque(range(shape.tiles))
        self._generations = [0] * shape.tiles
        self._known: OrderedDict[str, Holding] = OrderedDict()
        self.wrapped = False

    def fits(self, tiles: int) -> bool:
        """Whether so many could ever be held together."""
        return tiles <= self._shape.tiles

    def acquire(self, key: str, tiles: int) -> Holding | None:
        """The picture `key` for one more user; None while those in use leave no room for it."""
        holding = self._known.get(key)
        if holding is None:
            if not self._make_room(tiles):
                return None
            holding = self._place(key, tiles)
        holding.users += 1
        self._known.move_to_end(key)
        return holding

    def release(self, holding: Holding) -> None:
        """A user ended. The picture stays known, if it was ever written, until its room is needed."""
        holding.users -= 1
        if holding.users == 0 and not holding.written:
            self._forget(holding)

    def _make_room(self, tiles: int) -> bool:
        idle = [holding for holding in self._known.values() if holding.users == 0]
        if len(self._free) + sum(len(holding.tiles) for holding in idle) < tiles:
            return False
        for holding in idle:
            if len(self._free) >= tiles:
                break
            self._forget(holding)
        return True

    def _place(self, key: str, tiles: int) -> Holding:
        chosen = tuple(self._free.popleft() for _ in range(tiles))
        ids = tuple(number for tile in chosen for number in self._ids(tile))
        self._known[key] = Holding(key, chosen, ids)
        return self._known[key]

    def _ids(self, tile: int) -> range:
        generation, size = self._generations[tile], self._shape.tokens_per_tile
        first = self._shape.first_id + generation * self._shape.slots + tile * size
        self._generations[tile] = (generation + 1) % self._shape.generations
        # From its second generation 0 on, ids come back.
        self.wrapped = self.wrapped or self._generations[tile] == 0
        return range(first, first + size)

    def _forget(self, holding: Holding) -> None:
        del self._known[holding.key]
        self._free.extend(holding.tiles)
