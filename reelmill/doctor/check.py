"""One finding of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reelmill.schema import ReelmillError


class Status(StrEnum):
    """`warn`: this machine can do less than others; `fail`: something that is asked for does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and what to do about it (empty when it is well)."""

    name: str
    status: Status
    message: str
    next_step: str = ""

    @classmethod
    def failed(cls, name: str, error: ReelmillError) -> Check:
        message = f"{error.subject}: {error.message}" if error.subject else error.message
        return cls(name, Status.FAIL, message, error.next_step)
