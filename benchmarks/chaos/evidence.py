"""What a run left behind, as the checks of single faults read it: the ledger, the workers' logs, how they ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from benchmarks.chaos.pictures import Kind, Picture

KILLED = "SIGKILL"
DRAINED = "status 0"


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt of a job."""

    worker_id: str
    outcome: str
    error_code: str | None


@dataclass(frozen=True, slots=True)
class JobFound:
    """A job as the ledger has it at the end, its attempts in order."""

    picture: Picture
    state: str
    error_code: str | None
    crashes: int
    attempts: tuple[Tried, ...]
    version_read: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a check may look at.

    Attributes:
        times: how often the fault was injected.
        details: what was noted each time.
        endings: of workers that left before the end, by signal or exit status.
        refused: submits that raised, and were tried again.
        logs: of all workers.
    """

    jobs: tuple[JobFound, ...]
    times: int
    details: tuple[str, ...]
    endings: Mapping[str, int]
    refused: int
    logs: tuple[str, ...]

    def of_kind(self, *kinds: Kind) -> list[JobFound]:
        """Jobs of such pictures."""
        return [job for job in self.jobs if job.picture.kind in kinds]

    def unharmed(self, but: Collection[Kind] = ()) -> bool:
        """Whether every job succeeded, those of some kinds left out."""
        return all(job.state == "succeeded" for job in self.jobs if job.picture.kind not in but)

    def attempts(self, outcome: str, code: str | None = None) -> int:
        """Attempts that ended so."""
        tried = [each for job in self.jobs for each in job.attempts]
        return sum(each.outcome == outcome and code in (None, each.error_code) for each in tried)

    def outcomes(self) -> Counter[str]:
        """How all attempts ended."""
        return Counter(each.outcome for job in self.jobs for each in job.attempts)

    def said(self, words: str) -> int:
        """Lines of the workers' logs with these words."""
        return sum(log.count(words) for log in self.logs)

    @property
    def crashes(self) -> int:
        """Leases that ran out."""
        return sum(job.crashes for job in self.jobs)


@dataclass
class Sight:
    """What was seen of a fault, and what should have been and was not."""

    words: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def saw(self, words: str) -> None:
        self.words.append(words)

    def insist(self, holds: bool, words: str) -> None:
        """`words` say what is expected."""
        if not holds:
            self.missing.append(words)

    def insist_workers_stay(self, found: Evidence) -> None:
        self.insist(not found.endings, f"no worker leaves ({dict(found.endings)})")


Look = Callable[[Evidence, Sight], None]
