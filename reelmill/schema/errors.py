"""The root of every error that reelmill raises.

Each package grows one branch: `reelmill.errors`, `pipelines.errors`, `worker.errors`. An error knows a stable
code (stored in `jobs.error_code`), whether trying again can help, what it is about and what to do next.
"""

from __future__ import annotations

from typing import ClassVar


class ReelmillError(Exception):
    """Something that a user can act on.

    Args:
        message: what is wrong, in one sentence without a final full stop.
        subject: the file, URI, setting or job that it is about.
        next_step: what to do next; defaults to the class's own advice.
    """

    code: ClassVar[str] = "internal_error"
    transient: ClassVar[bool] = False
    """True when the same work may succeed later: the ledger retries it with backoff."""
    advice: ClassVar[str] = ""

    def __init__(self, message: str, *, subject: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.next_step = next_step or self.advice

    def __str__(self) -> str:
        text = f"{self.subject}: {self.message}" if self.subject else self.message
        return f"{text}. {self.next_step}" if self.next_step else text


class SpecError(ReelmillError, ValueError):
    """A job, setting or argument that cannot be right. A ValueError, so that pydantic can carry it."""

    code = "spec_invalid"
