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
    assert found.shape[3] == 50
    assert (found == 2.0).all()


def test_of_the_same_prompt_all_but_its_last_token_is_found() -> None:
    prefixes = Prefixes(1000)
    prefixes.keep([1] * 80, store(80))
    found = prefixes.find([1] * 80)
    assert found is not None
    assert found.shape[3] == 79


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
