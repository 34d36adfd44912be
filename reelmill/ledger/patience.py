"""A connection that is given up when the other side has been silent for too long.

The kernel notices a dead host (database.NETWORK_LIMITS). A pooler, a load balancer or a frozen server in between keeps
the connection alive and never answers: without a limit of its own, the thread that asked waits for ever.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar, cast

import psycopg

Answer = TypeVar("Answer")
_Steps = Generator[Any, Any, Answer]


class PatientConnection(psycopg.Connection[Any]):
    """Every wait for the server ends with OperationalError after `silence_s` seconds without a byte either way."""

    silence_s: float

    @classmethod
    def open(cls, silence_s: float, *arguments: Any, **parameters: Any) -> PatientConnection:
        """As psycopg.connect, which has a limit of its own for connecting."""
        connection = cls.connect(*arguments, **parameters)
        connection.silence_s = silence_s
        return connection

    def wait(self, gen: _Steps[Answer], *arguments: Any, **parameters: Any) -> Answer:
        """Psycopg's own, through which every statement, commit and copy goes."""
        silence_s = getattr(self, "silence_s", None)
        if silence_s is None:
            return super().wait(gen, *arguments, **parameters)
        try:
            return super().wait(_patient(gen, silence_s), *arguments, **parameters)
        except _SilentError:
            # Closed, so that nobody reads an answer that comes after all as that of another statement.
            self.close()
            raise psycopg.OperationalError(f"no answer from the database for {silence_s:g} s") from None


class _SilentError(Exception):
    """The other side has not sent or taken anything for too long."""


def _patient(steps: _Steps[Answer], silence_s: float) -> _Steps[Answer]:
    """The same steps. Psycopg wakes them several times a second, with nothing if nothing came."""
    try:
        wanted = next(steps)
        heard_at = time.monotonic()
        while True:
            ready = yield wanted
            if ready:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > silence_s:
                steps.close()
                raise _SilentError
            wanted = steps.send(ready)
    except StopIteration as end:
        return cast("Answer", end.value)
