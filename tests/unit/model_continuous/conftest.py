"""The golden checkpoint of the model room, small budgets, and a hand on the steps of the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipelines.model.continuous import flight as flight_module
from pipelines.model.continuous.budget import Budget
from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.continuous.generator import Output, PagedGenerator
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
    "steps",
]

PATIENCE_S = 60


def budget(**changes: int) -> Budget:
    """Small, but enough for every recorded conversation several times."""
    return Budget(
        **{"page_tokens": 16, "pages": 512, "step_tokens": 1024, "requests": 16, "table_bytes": 2**20, **changes}
    )


class Steps:
    """Looks at every step that a generator takes, and holds the first one back until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        self.reached = threading.Event()
        self.names: list[list[str]] = []
        """Of each step: the requests in it."""
        self.tokens: list[int] = []
        """Of each step: the tokens computed."""
        self.fail: Callable[[list[Any]], None] = lambda states: None
        """Called with transformers' states of the requests of a step, before it is computed."""
        steps = self

        class Watched(PagedGenerator):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments)
                real = self._processor._generation_step

                def generation_step(language_model: Any) -> None:
                    states = [future.state for future in self._processor.inputs_and_outputs.requests_in_batch]
                    steps.names.append([state.request_id for state in states])
                    steps.tokens.append(self._processor.inputs_and_outputs.num_q_tokens)
                    steps.fail(states)
                    real(language_model)

                self._processor._generation_step = generation_step

            def step(self) -> list[Output]:
                steps.reached.set()
                assert steps._open.wait(PATIENCE_S)
                return super().step()

        monkeypatch.setattr(flight_module, "PagedGenerator", Watched)

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
def engine(model: InternVL) -> Iterator[ContinuousEngine]:
    started = ContinuousEngine(model, budget=budget())
    yield started
    started.close()
