"""One sentence on what a wait is held up by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from reelmill.ledger.obstacles import QueuedForModel
from reelmill.ledger.views import BatchStatus
from reelmill.schema import DEFAULT_MODEL

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


class Obstacles:
    """Asks now and then, not at each look.

    Args:
        ask: reads the queued jobs by model from the ledger.
    """

    def __init__(self, ask: Callable[[], Sequence[QueuedForModel]]) -> None:
        self._ask = ask
        self._asked_at: float | None = None
        self._waiting: Sequence[QueuedForModel] = ()

    def sentence(self, status: BatchStatus) -> str:
        """What holds the wait up, at most LOOK_EVERY_S old; empty when nothing does."""
        if not status.queued:
            return ""
        if self._asked_at is None or monotonic() - self._asked_at >= LOOK_EVERY_S:
            self._asked_at, self._waiting = monotonic(), self._ask()
        return obstacle(self._waiting, running=status.running)
