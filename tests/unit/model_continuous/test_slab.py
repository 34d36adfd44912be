"""Rows of the cache: who comes and goes leaves the others' keys and values as they were."""

from __future__ import annotations

import random

import torch

from pipelines.model.continuous.passenger import Passenger
from pipelines.model.continuous.slab import CacheShape, Slabs

SHAPE = CacheShape(layers=2, heads=2, width=4, dtype=torch.float32, device=torch.device("cpu"))


def passenger(prompt: int, new: int = 8) -> Passenger:
    return Passenger(f"{prompt}+{new}", list(range(prompt)), new)


def fill(one: Passenger, number: float) -> None:
    """As if all of its prompt were computed."""
    one.home.write(one, torch.full((2, 2, 2, len(one.prompt), 4), number))
    one.cached = len(one.prompt)


def test_whoever_comes_and_goes_the_rest_keep_what_is_theirs() -> None:
    chance, slabs = random.Random(1), Slabs(SHAPE, 64 * 1024)
    seated: dict[float, Passenger] = {}
    for number in range(200):
        if seated and chance.random() < 0.4:
            gone = seated.pop(chance.choice(list(seated)))
            gone.home.vacate(gone.row)
        else:
            one = passenger(chance.randrange(1, 900))
            assert slabs.seat(one)
            fill(one, number)
            seated[number] = one
        for mine, one in seated.items():
            assert (one.home.read(one, one.cached) == mine).all()
            assert one.home.seated[one.row] is one


def test_slabs_stay_within_their_bound() -> None:
    slabs = Slabs(SHAPE, 2048)
    taken = [one for one in (passenger(200) for _ in range(20)) if slabs.seat(one)]
    assert len(taken) == 8
    assert sum(slab.tokens for slab in slabs.in_use) == 2048


def test_room_that_nobody_uses_goes_to_who_needs_it() -> None:
    slabs = Slabs(SHAPE, 4096)
    small = [passenger(200) for _ in range(16)]
    assert all(slabs.seat(one) for one in small)
    fill(small[-1], 7.0)
    large = passenger(2000)
    assert not slabs.seat(large)
    for one in small[:-1]:
        one.home.vacate(one.row)
    assert slabs.seat(large)
    assert (small[-1].home.read(small[-1], 200) == 7.0).all()


def test_a_long_answer_does_not_reserve_rows_for_others_like_it() -> None:
    slabs = Slabs(SHAPE, 8192)
    assert slabs.seat(passenger(100, 3900))
    assert all(slabs.seat(passenger(100)) for _ in range(16))


def test_a_row_of_the_whole_cache_is_cut_to_its_bound() -> None:
    slabs = Slabs(SHAPE, 300)
    assert slabs.seat(passenger(290))
    assert not slabs.seat(passenger(2))


def test_what_is_reserved_elsewhere_is_not_given_to_rows() -> None:
    slabs = Slabs(SHAPE, 1024)
    assert slabs.reserve(600)
    assert slabs.seat(passenger(200))
    assert not slabs.seat(passenger(200))
    assert not slabs.reserve(200)
    slabs.release(600)
    assert slabs.seat(passenger(200))


def test_to_reserve_takes_rows_that_nobody_uses() -> None:
    slabs = Slabs(SHAPE, 8192)
    small = [passenger(200) for _ in range(32)]
    assert all(slabs.seat(one) for one in small)
    assert not slabs.reserve(4096)
    for one in small[16:]:
        one.home.vacate(one.row)
    assert slabs.reserve(4096)
