"""Exit codes that scripts can rely on."""

from __future__ import annotations

from enum import IntEnum

from reelmill.errors import (
    BrokerUnavailableError,
    DatabaseUnavailableError,
    EmbeddedServicesError,
    SchemaOutOfDateError,
    SpecError,
    WaitTimeoutError,
)
from reelmill.schema import ReelmillError


class ExitCode(IntEnum):
    """0 all well; 1 jobs failed, or anything else did; 2 wrong usage, spec or setting; 3 no database or broker;
    4 not done in time; 130 interrupted."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 3
    TIMEOUT = 4
    INTERRUPTED = 130

    @classmethod
    def of(cls, error: ReelmillError) -> ExitCode:
        if isinstance(error, SpecError):
            return cls.USAGE
        if isinstance(error, WaitTimeoutError):
            return cls.TIMEOUT
        if isinstance(
            error, (DatabaseUnavailableError, BrokerUnavailableError, SchemaOutOfDateError, EmbeddedServicesError)
        ):
            return cls.UNAVAILABLE
        return cls.FAILED
