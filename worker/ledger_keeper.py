"""Keeps finished windows of a job in the ledger, fenced by its lease."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from reelmill.errors import DatabaseUnavailableError
from reelmill.ledger.database import Database
from reelmill.ledger.kept_windows import keep_windows, kept_windows
from reelmill.ledger.lease import Lease
from reelmill.schema import JobResult
from worker.errors import LeaseLostError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LedgerKeeper:
    """A `Keeper`. It saves work, so that a database that is away costs no more than that."""

    database: Database
    lease: Lease

    def kept(self, key: str) -> tuple[JobResult, ...]:
        """What earlier attempts kept."""
        try:
            found = kept_windows(self.database, self.lease, key)
        except DatabaseUnavailableError as error:
            log.warning("kept windows cannot be read; they are worked again", error=str(error))
            return ()
        if found:
            log.info("windows taken over", windows=sum(len(each.segments) for each in found))
        return found

    def keep(self, key: str, found: JobResult) -> None:
        """Raises LeaseLostError when the job is no longer ours."""
        try:
            ours = keep_windows(self.database, self.lease, key, found)
        except DatabaseUnavailableError as error:
            log.warning("finished windows cannot be kept", error=str(error))
            return
        if not ours:
            raise LeaseLostError("the lease ran out in the middle of a long video")
