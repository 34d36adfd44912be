"""Where an answer ends by what it says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stops:
    """Texts that an answer ends before."""

    texts: tuple[str, ...]

    def before(self, said: str) -> str:
        """What was said up to the first of them."""
        places = [place for text in self.texts if (place := said.find(text)) >= 0]
        return said[: min(places, default=len(said))]

    def certain(self, said: str) -> str:
        """The same without an end that more text could turn into one of them."""
        said = self.before(said)
        return said[: len(said) - self._begun(said)]

    def _begun(self, said: str) -> int:
        """How many characters at the end of `said` one of them begins with."""
        most = min(len(said), max(map(len, self.texts), default=0))
        ends = (size for size in range(most, 0, -1) if any(text.startswith(said[-size:]) for text in self.texts))
        return next(ends, 0)
