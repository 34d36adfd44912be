"""The cache as a whole: what several share is there once, paid for once, and gone with the last of them."""

from __future__ import annotations

import random

import torch

from pipelines.model.continuous.cache import Cache
from pipelines.model.continuous.passenger import Passenger
from pipelines.model.continuous.slab import CacheShape

SHAPE = CacheShape(layers=2, heads=2, width=4, dtype=torch.float32, device=torch.device("cpu"))


def value(ids: list[int]) -> torch.Tensor:
    """Keys and values that tell from which ids they are, [layers, 2, heads, tokens, width]."""
    return torch.tensor(ids, dtype=torch.float32)[:, None].expand(2, 2, 2, len(ids), 4)


def passenger(family: int, number: int, tail: int = 20, new: int = 8) -> Passenger:
    return Passenger(f"{family}/{number}", [family] * 200 + [1000 + number] * tail, new)


def compute(cache: Cache, one: Passenger) -> None:
    """All of its prompt, and its first token."""
    own = value(one.prompt)[:, :, :, one.shared :]
    one.home.write(one, own)
    one.cached = len(one.prompt)
    cache.keep(one)
    one.said.append(0)


def holds(one: Passenger) -> bool:
    return bool((one.home.read(one, one.cached) == value(one.prompt)).all())


def taken(cache: Cache) -> int:
    """Tokens there is memory for in rows, and in prefixes that are in use."""
    return sum(slab.tokens for slab in cache._slabs._slabs.values()) + cache._slabs._reserved_tokens


def test_siblings_read_one_prefix_and_who_computed_it_does_too() -> None:
    cache = Cache(SHAPE, 8192, 2048)
    leader, *others = (passenger(1, number) for number in range(4))
    assert cache.seat(leader)
    compute(cache, leader)
    for one in others:
        assert cache.seat(one)
        compute(cache, one)
    assert len({one.prefix for one in (leader, *others)}) == 1
    assert [one.shared for one in (leader, *others)] == [192] * 4
    assert all(holds(one) for one in (leader, *others))


def test_a_prefix_in_use_is_paid_for_once_and_until_its_last_user_leaves() -> None:
    cache = Cache(SHAPE, 8192, 2048)
    leader, *others = (passenger(1, number) for number in range(4))
    assert cache.seat(leader)
    compute(cache, leader)
    for one in others:
        assert cache.seat(one)
    assert cache._slabs._reserved_tokens == len(leader.prompt)
    for one in (leader, *others):
        assert cache._slabs._reserved_tokens == len(leader.prompt)
        cache.leave(one)
    assert cache._slabs._reserved_tokens == 0


def test_where_there_is_no_room_to_share_a_row_of_its_own_is_taken_or_none() -> None:
    cache = Cache(SHAPE, 512, 2048)
    leader, second, third = (passenger(1, number) for number in range(3))
    assert cache.seat(leader)
    compute(cache, leader)
    assert cache.seat(second)
    assert (second.shared, second.cached) == (0, 200)
    assert not cache.seat(third)
    assert (third.slab, third.prefix, third.shared, cache._slabs._reserved_tokens) == (None, None, 0, 0)
    compute(cache, second)
    assert holds(leader)
    assert holds(second)


def test_who_reads_a_forgotten_prefix_keeps_it_and_nobody_else_finds_it() -> None:
    cache = Cache(SHAPE, 8192, 2048)
    leader, second, third = (passenger(1, number) for number in range(3))
    assert cache.seat(leader)
    compute(cache, leader)
    assert cache.seat(second)
    cache.forget_prefixes()
    assert cache.seat(third)
    assert (third.prefix, third.cached) == (None, 0)
    compute(cache, second)
    assert holds(second)
    for one in (leader, second, third):
        cache.leave(one)
    assert cache._slabs._reserved_tokens == 0


def test_whoever_comes_shares_leaves_and_is_evicted_the_rest_keep_what_is_theirs() -> None:
    chance, cache = random.Random(2), Cache(SHAPE, 4096, 1024)
    seated: list[Passenger] = []
    for number in range(400):
        if seated and chance.random() < 0.45:
            cache.leave(seated.pop(chance.randrange(len(seated))))
        else:
            one = passenger(chance.randrange(4), number, chance.randrange(1, 90), chance.randrange(1, 300))
            if cache.seat(one):
                compute(cache, one)
                seated.append(one)
        assert all(holds(one) for one in seated)
        assert taken(cache) <= 4096
    assert any(one.shared for one in seated)
    for one in seated:
        cache.leave(one)
    assert cache._slabs._reserved_tokens == 0
