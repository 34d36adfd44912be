"""Suspects: fewer at a time, until only who fails alone has failed."""

from __future__ import annotations

from concurrent.futures import Future

from pipelines.model.continuous.suspects import Suspects
from pipelines.model.schedule import Ticket
from reelmill.schema.tasks import Generation

from .conftest import budget


def tickets(count: int) -> list[Ticket]:
    return [Ticket((1,), None, Generation(), 1, None, Future(), 0.0) for _ in range(count)]


def test_a_failure_halves_what_is_tried_together() -> None:
    suspects, accused = Suspects(budget(requests=16)), tickets(8)
    assert suspects.accuse(accused, out_of_memory=False) is None
    assert suspects.budget == budget(requests=4)
    assert suspects.waiting == accused


def test_who_fails_alone_again_is_convicted_and_the_others_are_free() -> None:
    suspects, accused = Suspects(budget()), tickets(2)
    suspects.accuse(accused, out_of_memory=False)
    suspects.waiting = accused[1:]
    assert suspects.accuse(accused[:1], out_of_memory=False) is None
    assert suspects.accuse(accused[:1], out_of_memory=False) is accused[0]
    assert suspects.budget == budget()
    suspects.cleared(accused[1])
    assert not suspects.any


def test_what_memory_ran_out_with_is_not_tried_again_once_all_got_through() -> None:
    suspects, accused = Suspects(budget(step_tokens=1024, cache_tokens=400)), tickets(8)
    suspects.accuse(accused, out_of_memory=True)
    for ticket in accused:
        assert suspects.any
        suspects.cleared(ticket)
    assert suspects.budget == budget(requests=4, step_tokens=512, cache_tokens=300)
    assert not suspects.any


def test_other_failures_leave_the_bounds_as_they_were() -> None:
    suspects, accused = Suspects(budget()), tickets(4)
    suspects.accuse(accused, out_of_memory=False)
    for ticket in accused:
        suspects.cleared(ticket)
    assert suspects.budget == budget()


def test_memory_that_one_request_alone_ran_out_of_teaches_nothing() -> None:
    suspects, (large,) = Suspects(budget(step_tokens=512)), tickets(1)
    assert [suspects.accuse([large], out_of_memory=True) for _ in range(2)] == [None, large]
    assert suspects.budget == budget(step_tokens=512)
