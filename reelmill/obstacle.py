"""One sentence on what a wait is held up by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from reelmill.ledger.obstacles import QueuedForModel
from reelmill.ledger.scans import ScanView
from reelmill.ledger.views import BatchStatus
from reelmill.schema import DEFAULT_MODEL, ScanState

LOOK_EVERY_S = 3.0


def obstacle(waiting: Sequence[QueuedForModel], *, running: int) -> str:
    """What queued jobs wait for; empty when nothing holds them up but their turn.

    Args:
        waiting: the queued jobs by model.
        running: jobs of the same batch that are being worked.
    """
    for model in waiting:
        if model.workers == 0:
            return f"no worker is alive for model {model.model!r}: start one with `{_command(model.model)}`"
    next_tries = [model.next_try_s for model in waiting if model.next_try_s is not None and model.ready == 0]
    if running or not waiting:
        return ""
    if len(next_tries) == len(waiting):
        return f"after a passing error: the next try is in {min(next_tries):.0f} s"
    workers = sum(model.workers for model in waiting)
    return f"waiting for a free worker; {workers} {'serves' if workers == 1 else 'serve'} this model"


def _command(model: str) -> str:
    name = "" if model == DEFAULT_MODEL else f" --served-model-name {model}"
    return f"reelmill worker --model PATH_OR_HUB_ID{name}"


def scan_obstacle(scan: ScanView) -> str:
    """How far the listing of an archive is, or what it waits for; empty when it is done."""
    if scan.state is ScanState.RUNNING:
        return f"listing {scan.source}: {scan.counts.listed:,} seen, {scan.counts.accepted:,} accepted"
    if scan.state is ScanState.QUEUED and scan.error_message:
        return f"listing is tried again soon after: {scan.error_message}"
    if scan.state is ScanState.QUEUED:
        return f"waiting for a process that lists {scan.source}: `{_command(scan.model)}`, or `reelmill housekeep`"
    return ""


class Obstacles:
    """Asks now and then, not at each look.

    Args:
        ask: reads the queued jobs by model from the ledger.
        ask_scan: reads the listing of the batch's archive.
    """

    def __init__(
        self, ask: Callable[[], Sequence[QueuedForModel]], ask_scan: Callable[[], ScanView | None] = lambda: None
    ) -> None:
        self._ask = ask
        self._ask_scan = ask_scan
        self._scan: ScanView | None = None
        self._asked_at: float | None = None
        self._waiting: Sequence[QueuedForModel] = ()

    def sentence(self, status: BatchStatus) -> str:
        """What holds the wait up, at most LOOK_EVERY_S old; empty when nothing does."""
        if not (status.queued or status.scanning):
            return ""
        if self._asked_at is None or monotonic() - self._asked_at >= LOOK_EVERY_S:
            self._asked_at = monotonic()
            self._waiting = self._ask() if status.queued else ()
            self._scan = self._ask_scan() if status.scanning else None
        jobs = obstacle(self._waiting, running=status.running)
        return jobs or (scan_obstacle(self._scan) if self._scan else "")
