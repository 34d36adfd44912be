"""One worker process below a supervisor: its start, its end, and when it starts again."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)
PR_SET_PDEATHSIG = 1
REFUSED_STATUSES = (1, 2)
"""A worker that cannot start like this, whatever it tries, says why and exits 1; 2 is a wrong option or setting."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How soon what ended starts again.

    Attributes:
        first_delay_s: doubled with every end in a row, up to `longest_delay_s`.
        steady_after_s: a process that lived so long starts the row anew.
        refusals: so many starts in a row that can never succeed are enough.
    """

    first_delay_s: float = 1.0
    longest_delay_s: float = 60.0
    steady_after_s: float = 60.0
    refusals: int = 3


class Replica:
    """A worker process that is started again when it ends. Not for threads: the supervisor has none.

    Args:
        name: for logs, like "0" or "gpus 2,3".
        environment: of the process, whole.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], policy: RestartPolicy
    ) -> None:
        self.name = name
        self.due_at = 0.0
        self._command = tuple(command)
        self._environment = dict(environment)
        self._policy = policy
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._ends_in_a_row = 0
        self._refusals = 0

    @property
    def running(self) -> bool:
        """Whether its process was started and has not been seen to end."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Of its process; None while none runs."""
        return self._process.pid if self._process is not None else None

    @property
    def hopeless(self) -> bool:
        """Whether it has refused to start often enough."""
        return self._refusals >= self._policy.refusals

    def start_if_due(self, now: float) -> None:
        """Start the process unless it runs or still has to wait."""
        if self._process is not None or now < self.due_at:
            return
        # A group of its own: a Ctrl-C in the terminal is the supervisor's to hand down, once.
        self._process = subprocess.Popen(  # noqa: S603
            self._command,
            env=self._environment,
            start_new_session=True,
            preexec_fn=_bound_to(os.getpid()),  # noqa: PLW1509 - there are no threads here that could hold a lock
        )
        self._started_at = now
        log.info("process started", replica=self.name, pid=self._process.pid)

    def see_whether_it_ended(self, now: float) -> bool:
        """Take note of the process's end, if it has ended, and of when the next one is due."""
        if self._process is None or (status := self._process.poll()) is None:
            return False
        pid, self._process = self._process.pid, None
        steady = now - self._started_at >= self._policy.steady_after_s
        self._ends_in_a_row = 1 if steady else self._ends_in_a_row + 1
        self._refusals = self._refusals + 1 if status in REFUSED_STATUSES else 0
        delay_s = self._policy.first_delay_s * 2.0 ** min(self._ends_in_a_row - 1, 30)
        self.due_at = now + min(delay_s, self._policy.longest_delay_s)
        log.info("process ended", replica=self.name, pid=pid, status=_in_words(status))
        return True

    def terminate(self) -> None:
        """Ask it to drain."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it at once, with all that it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _bound_to(parent_pid: int) -> Callable[[], None]:
    """What the new process does first: no signal is held back from it, and it drains when its supervisor dies."""
    libc = ctypes.CDLL(None)

    def bind() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent_pid:
            os._exit(0)

    return bind


def _in_words(status: int) -> str:
    return str(status) if status >= 0 else signal.Signals(-status).name
