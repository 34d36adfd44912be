"""What a client and its jobs and batches share: the ledger and the bells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reelmill.bells import Bells
from reelmill.ledger.bells import queued_by_model
from reelmill.ledger.database import Database


@dataclass(frozen=True, slots=True, eq=False)
class Mill:
    """The ledger, which decides everything, and the bells, which may be missing."""

    database: Database
    bells: Bells | None
    max_bells: int

    def ring(self, models: Iterable[str], wanted: int) -> None:
        """Wake workers, best effort."""
        if self.bells is not None:
            for model in models:
                self.bells.ring(model, wanted)

    def ring_for_queued(self) -> None:
        """Wake workers for whatever is ready."""
        if self.bells is not None:
            for model, ready in queued_by_model(self.database, self.max_bells).items():
                self.bells.ring(model, ready)
