"""Which earlier prompt a new one continues, and what of it is taken."""

from __future__ import annotations

import torch

from pipelines.model.continuous.prefixes import Prefixes


def store(tokens: int, number: float = 0.0) -> torch.Tensor:
    return torch.full((1, 2, 1, tokens, 2), number)


def test_the_longest_common_beginning_is_found() -> None:
    prefixes = Prefixes(1000)
    prefixes.keep([1] * 40 + [2] * 40, store(80, 1.0))
    prefixes.keep([1] * 40 + [3] * 40, store(80, 2.0))
    found = prefixes.find([1] * 40 + [3] * 10 + [4] * 10)
    assert found is not None
    assert found.tokens == 50
    assert (found.prefix.store == 2.0).all()


def test_of_the_same_prompt_all_but_its_last_token_is_found() -> None:
    prefixes = Prefixes(1000)
    prefixes.keep([1] * 80, store(80))
    found = prefixes.find([1] * 80)
    assert found is not None
    assert found.tokens == 79


def test_a_short_beginning_is_not_worth_it() -> None:
    prefixes = Prefixes(1000)
    prefixes.keep([1] * 20 + [2] * 60, store(80))
    assert prefixes.find([1] * 20 + [3] * 60) is None
    assert not prefixes.worth(computed_tokens=10, prompt_tokens=80)
    assert not prefixes.worth(computed_tokens=2000, prompt_tokens=2000)


def test_the_least_recently_found_goes_first() -> None:
    prefixes = Prefixes(200)
    for number in (1, 2):
        prefixes.keep([number] * 80, store(80))
    assert prefixes.find([1] * 80) is not None
    prefixes.keep([3] * 80, store(80))
    assert prefixes.find([2] * 80) is None
    assert prefixes.find([1] * 80) is not None
    assert prefixes.find([3] * 80) is not None


def test_nothing_is_found_once_all_is_forgotten() -> None:
    prefixes = Prefixes(200)
    prefixes.keep([1] * 80, store(80))
    prefixes.clear()
    assert prefixes.find([1] * 80) is None


def test_a_long_beginning_is_shared_at_a_round_length_and_a_short_one_is_not() -> None:
    prefixes = Prefixes(1000)
    prefixes.keep([1] * 150, store(150))
    for common, shared in ((140, 128), (127, 0)):
        found = prefixes.find([1] * common + [3] * 20)
        assert found is not None
        assert (found.tokens, found.shared) == (common, shared)


def test_what_others_read_already_is_shared_rather_than_what_is_a_little_longer() -> None:
    prefixes = Prefixes(1000)
    prefixes.keep([1] * 200 + [2] * 50, store(250, 1.0))
    first = prefixes.find([1] * 200 + [3] * 60)
    assert first is not None
    prefixes.hold(first.base, first.shared)
    prefixes.keep([1] * 200 + [3] * 60, store(260, 2.0))
    found = prefixes.find([1] * 200 + [3] * 40 + [4])
    assert found is not None
    assert (found.tokens, found.prefix.store.max()) == (240, 2.0)
    assert (found.base, found.shared) == (first.base, 192)


def test_what_begins_otherwise_before_the_end_of_what_others_read_does_not_join_them() -> None:
    prefixes = Prefixes(1000)
    prefixes.keep([1] * 300, store(300))
    first = prefixes.find([1] * 299 + [2])
    assert first is not None
    prefixes.hold(first.base, first.shared)
    found = prefixes.find([1] * 200 + [3] * 60)
    assert found is not None
    assert (first.shared, found.shared) == (288, 192)


def test_what_is_in_use_neither_goes_nor_counts() -> None:
    prefixes = Prefixes(400)
    prefixes.keep([1] * 200, store(200))
    found = prefixes.find([1] * 200)
    assert found is not None
    prefixes.hold(found.base, found.shared)
    for number in (2, 3, 4):
        prefixes.keep([number] * 200, store(200))
    known = [number for number in (1, 2, 3, 4) if prefixes.find([number] * 200) is not None]
    assert known == [1, 3, 4]
    prefixes.release(found.base)
    assert sum(prefixes.find([number] * 200) is not None for number in (1, 3, 4)) == 2
