"""The golden checkpoint of the model room, small budgets, and a hand on the steps of the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import torch

from pipelines.model.continuous import flight as flight_module
from pipelines.model.continuous.budget import Budget
from pipelines.model.continuous.cache import Cache
from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.continuous.generator import Generator, Output
from pipelines.model.continuous.passenger import Passenger
from pipelines.model.continuous.plan import Chunk, Plan
from pipelines.model.internvl import InternVL
from tests.unit.model.conftest import CASE, NEW_TOKENS, Golden, copy_checkpoint, copy_of, golden, model

__all__ = [
    "CASE",
    "NEW_TOKENS",
    "Golden",
    "Steps",
    "budget",
    "copy_checkpoint",
    "copy_of",
    "engine",
    "golden",
    "model",
    "sharers",
    "steps",
]

PATIENCE_S = 60


def budget(**changes: int) -> Budget:
    """Small, but enough for every recorded conversation several times."""
    return Budget(**{"cache_tokens": 8192, "step_tokens": 1024, "requests": 16, "table_bytes": 2**20, **changes})


class Steps:
    """Looks at every step that a generator takes, and holds the first one back until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        self.reached = threading.Event()
        self.names: list[list[str]] = []
        """Of each step: the requests in it."""
        self.tokens: list[int] = []
        """Of each step: the tokens computed."""
        self.audiences: list[list[int]] = []
        """Of each step: how many read each shared prefix, the fewest first."""
        self.fail: Callable[[list[Passenger]], None] = lambda passengers: None
        """Called with the passengers of a step, before it is computed."""
        steps = self

        class Watched(Generator):
            def _run(self, planned: Plan, chunks: list[Chunk]) -> torch.Tensor:
                steps.names.append([chunk.passenger.name for chunk in chunks])
                steps.tokens.append(len(planned.ids))
                steps.audiences.append(sorted(len(planned.ids[one.tokens]) for one in planned.audiences))
                steps.fail([chunk.passenger for chunk in chunks])
                return super()._run(planned, chunks)

            def step(self) -> list[Output]:
                steps.reached.set()
                assert steps._open.wait(PATIENCE_S)
                return super().step()

        monkeypatch.setattr(flight_module, "Generator", Watched)

    def open(self) -> None:
        self._open.set()

    @property
    def most(self) -> int:
        """Requests in the fullest step."""
        return max(len(names) for names in self.names)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


@pytest.fixture
def sharers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of requests that were seated behind a prefix that others may read with them."""
    found: list[str] = []
    real = Cache.seat

    def seat(self: Cache, passenger: Passenger) -> bool:
        seated = real(self, passenger)
        if passenger.shared:
            found.append(passenger.name)
        return seated

    monkeypatch.setattr(Cache, "seat", seat)
    return found


@pytest.fixture
def engine(model: InternVL) -> Iterator[ContinuousEngine]:
    started = ContinuousEngine(model, budget=budget())
    yield started
    started.close()
