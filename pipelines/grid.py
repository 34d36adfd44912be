"""How the tiles of one picture lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """Tiles side by side and one above the other."""

    columns: int
    rows: int

    @property
    def tile_count(self) -> int:
        return self.columns * self.rows
