"""The cache of visual features keeps what was used last, inside its budget."""

import torch

from pipelines.model.features import FeatureCache

ONE = torch.zeros(10)  # 40 bytes


def test_the_least_recently_used_goes_first() -> None:
    cache = FeatureCache(100)
    cache.put("a", ONE)
    cache.put("b", ONE)
    cache.get("a")
    cache.put("c", ONE)
    assert cache.get("a") is not None
    assert cache.get("b") is None
    assert cache.get("c") is not None
    assert cache.used_bytes == 80


def test_what_is_larger_than_the_budget_is_not_kept_and_evicts_nothing() -> None:
    cache = FeatureCache(100)
    cache.put("a", ONE)
    cache.put("huge", torch.zeros(100))
    assert cache.get("huge") is None
    assert cache.get("a") is not None


def test_clearing_gives_the_bytes_back() -> None:
    cache = FeatureCache(100)
    cache.put("a", ONE)
    cache.clear()
    assert cache.used_bytes == 0
    assert cache.get("a") is None
