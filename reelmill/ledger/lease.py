"""What a worker holds while it works a job."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to report on a job: every report is fenced by the token, which each claim makes anew.

    Attributes:
        attempt: the claim's number. 1 spares `succeed` the search for rows of earlier attempts; 0 when not known.
    """

    job_id: UUID
    lease_token: UUID
    attempt: int = 0
