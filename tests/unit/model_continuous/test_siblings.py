"""Siblings: the first fills the cache, the others wait for it, and for nobody else."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np

from pipelines.model.continuous.siblings import Siblings
from pipelines.model.schedule import Ticket
from pipelines.model.types import VisualInput
from reelmill.schema.tasks import Generation


def ticket(key: str | None) -> Ticket:
    visual = None if key is None else VisualInput(np.zeros((1, 1, 1, 3), np.uint8), (1,), (key,))
    return Ticket((1,), visual, Generation(), 1, None, Future(), 0.0)


def test_siblings_wait_for_the_first_ones_first_token() -> None:
    siblings, first, second = Siblings(), ticket("a"), ticket("a")
    siblings.started(first)
    assert not siblings.may_start(second)
    assert siblings.may_start(ticket("b"))
    siblings.prefilled(first)
    assert siblings.may_start(second)
    siblings.started(second)
    assert siblings.may_start(ticket("a"))


def test_a_family_that_left_starts_over() -> None:
    siblings, first, second = Siblings(), ticket("a"), ticket("a")
    siblings.started(first)
    siblings.prefilled(first)
    siblings.started(second)
    siblings.ended(first)
    assert siblings.may_start(ticket("a"))
    siblings.ended(second)
    siblings.started(ticket("a"))
    assert not siblings.may_start(ticket("a"))


def test_a_first_one_that_ends_early_leaves_its_place_to_another() -> None:
    siblings, first, second = Siblings(), ticket("a"), ticket("a")
    siblings.started(first)
    siblings.ended(first)
    assert siblings.may_start(second)
    siblings.started(second)
    assert not siblings.may_start(ticket("a"))


def test_requests_without_pictures_wait_for_nobody() -> None:
    siblings = Siblings()
    siblings.started(ticket(None))
    assert siblings.may_start(ticket(None))
    siblings.ended(ticket(None))
