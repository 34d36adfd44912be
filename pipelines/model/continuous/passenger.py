"""A prompt and what was said to it so far, on its way through the generator. Knows nothing of how it is computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelines.model.continuous.sampling import Choice

if TYPE_CHECKING:
    from pipelines.model.continuous.prefixes import Prefix
    from pipelines.model.continuous.slab import Slab


@dataclass(slots=True, eq=False)
class Passenger:
    """One request in the generator.

    Attributes:
        prompt: its ids; `said` are those generated since.
        choice: picks the next token of its logits; None picks the likeliest.
        cached: how many of its tokens the cache holds, of which the first `found` were computed for another.
        slab, row: where, behind the first `shared`, which lie in `prefix`.
    """

    name: str
    prompt: list[int]
    max_new_tokens: int
    choice: Choice | None = None
    said: list[int] = field(default_factory=list)
    cached: int = 0
    found: int = 0
    slab: Slab | None = None
    row: int = 0
    prefix: Prefix | None = None
    shared: int = 0

    @property
    def home(self) -> Slab:
        """Its slab, once it has one."""
        if self.slab is None:
            raise RuntimeError(f"request {self.name} has no place in the cache")
        return self.slab

    @property
    def most_tokens(self) -> int:
        """Tokens that it may come to hold in its row."""
        return len(self.prompt) + self.max_new_tokens - self.shared

    @property
    def in_row(self) -> int:
        """How many its row holds."""
        return self.cached - self.shared

    @property
    def to_compute(self) -> int:
        """Tokens between it and its next one: one while it speaks, more while its prompt is computed."""
        return len(self.prompt) + len(self.said) - self.cached

    def ids(self, count: int) -> list[int]:
        """The next `count` of those."""
        if self.said:
            return self.said[-1:]
        return self.prompt[self.cached : self.cached + count]
