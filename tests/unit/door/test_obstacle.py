"""What a wait is held up by."""

from __future__ import annotations

import pytest

from reelmill import obstacle as module
from reelmill.ledger.obstacles import QueuedForModel
from reelmill.ledger.views import BatchStatus
from reelmill.obstacle import Obstacles, obstacle

START = "reelmill worker --model PATH_OR_HUB_ID"
NOBODY = QueuedForModel("default", jobs=5, ready=5, next_try_s=None, workers=0)
BUSY = QueuedForModel("default", jobs=5, ready=5, next_try_s=None, workers=2)
LATER = QueuedForModel("default", jobs=2, ready=0, next_try_s=33.6, workers=1)


@pytest.mark.parametrize(
    ("waiting", "running", "says"),
    [
        (
            [NOBODY],
            0,
            "no worker is alive for model 'default': start one with `reelmill worker --model PATH_OR_HUB_ID`",
        ),
        ([BUSY], 0, "waiting for a free worker; 2 serve this model"),
        ([BUSY], 3, ""),
        ([LATER], 0, "after a passing error: the next try is in 34 s"),
        ([LATER, BUSY], 0, "waiting for a free worker; 3 serve this model"),
        ([], 0, ""),
    ],
)
def test_it_says_what_to_do_or_how_long_it_takes(waiting: list[QueuedForModel], running: int, says: str) -> None:
    assert obstacle(waiting, running=running) == says


def test_a_model_without_worker_is_named_even_while_other_jobs_run() -> None:
    big = QueuedForModel("big", jobs=1, ready=1, next_try_s=None, workers=0)
    assert obstacle([big, BUSY], running=9).endswith("--served-model-name big`")


def test_the_ledger_is_asked_now_and_then_and_only_while_jobs_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, asked = 0.0, 0

    def ask() -> list[QueuedForModel]:
        nonlocal asked
        asked += 1
        return [NOBODY]

    monkeypatch.setattr(module, "monotonic", lambda: now_s)
    obstacles = Obstacles(ask)
    assert (obstacles.sentence(BatchStatus(running=1)), asked) == ("", 0)
    for _ in range(3):
        assert "no worker" in obstacles.sentence(BatchStatus(queued=1))
    assert asked == 1
    now_s = module.LOOK_EVERY_S
    obstacles.sentence(BatchStatus(queued=1))
    assert asked == 2
