"""Slots: equal content, equal ids; an id means one content until the ids are used up."""

from __future__ import annotations

import random

import pytest

from pipelines.model.continuous.slots import Holding, Slots, VocabularyShape


def slots(tiles: int = 4, last_id: int = 2**31 - 1) -> Slots:
    return Slots(VocabularyShape(tiles, 10, 100, last_id))


def written(slots: Slots, key: str, tiles: int) -> Holding:
    holding = slots.acquire(key, tiles)
    assert holding is not None
    holding.written = True
    return holding


def test_equal_content_has_equal_ids_while_it_is_known() -> None:
    held = slots()
    first = written(held, "a", 2)
    assert held.acquire("a", 2) is first
    for _ in range(2):
        held.release(first)
    assert held.acquire("a", 2) is first
    assert first.ids == tuple(range(100, 120))


def test_what_is_in_use_is_not_given_away() -> None:
    held = slots()
    first = written(held, "a", 3)
    assert held.acquire("b", 2) is None
    held.release(first)
    second = held.acquire("b", 2)
    assert second is not None
    assert not set(second.ids) & set(first.ids)
    assert [number % 40 for number in second.ids] != [number - 100 for number in first.ids][:20]


def test_the_least_recently_used_goes_first() -> None:
    held = slots()
    for key in "abcd":
        held.release(written(held, key, 1))
    held.release(written(held, "a", 1))
    held.release(written(held, "e", 1))
    known = [key for key in "acde" if (found := held.acquire(key, 1)) is not None and found.written]
    assert known == list("acde")


def test_what_was_never_written_is_not_remembered() -> None:
    held = slots()
    first = held.acquire("a", 1)
    assert first is not None
    held.release(first)
    again = held.acquire("a", 1)
    assert again is not None
    assert again is not first
    assert again.ids != first.ids


def test_no_id_comes_back_before_the_wrap_is_announced() -> None:
    chance, held, meant = random.Random(1), slots(last_id=100 + 40 * 5 - 1), dict[int, str]()
    wraps = 0
    for _ in range(300):
        key = f"picture {chance.randrange(12)}"
        holding = written(held, key, 1 + len(key) % 2)
        if held.wrapped:
            held.wrapped, wraps, meant = False, wraps + 1, {}
        assert all(meant.setdefault(number, key) == key for number in holding.ids)
        assert 100 <= min(holding.ids) <= max(holding.ids) < 300
        held.release(holding)
    assert wraps > 10


def test_a_table_that_the_ids_do_not_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="40 slots do not fit"):
        slots(last_id=138)
