"""How far a number can be trusted: 95% intervals, and whether two models differ."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

CONFIDENCE = 0.95
ROUNDS = 1000
"""Of the bootstrap."""
EXACT_UP_TO = 1000
"""Discordant pairs; beyond, the normal distribution is as good and quicker."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true value lies in 95% of all cases."""

    low: float
    high: float


def wilson(right: float, count: int) -> Interval:
    """Of a proportion, `right` of `count`; sensible at 0 and 1 and for few, too (Wilson, 1927)."""
    if count == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def bootstrap(groups: Sequence[Sequence[float]], seed: int = 0) -> Interval:
    """Of the mean of all values: whole groups are drawn again, because values of one media are wrong together."""
    sums = [(sum(values), len(values)) for values in groups if values]
    if not sums:
        return Interval(0.0, 1.0)
    rng = random.Random(seed)
    return middle_of([_mean(rng.choices(sums, k=len(sums))) for _ in range(ROUNDS)])


def middle_of(drawn: Sequence[float]) -> Interval:
    """The interval that holds 95% of these values."""
    values = sorted(drawn)
    cut = round(len(values) * (1 - CONFIDENCE) / 2)
    return Interval(values[cut], values[-cut - 1])


def mcnemar(only_first: int, only_second: int) -> float:
    """How likely two equally good models differ so unevenly: p of McNemar's test, two-sided.

    Args:
        only_first, only_second: how often the one was right and the other was not.
    """
    count = only_first + only_second
    if count == 0:
        return 1.0
    if count > EXACT_UP_TO:
        distance = max(0.0, abs(only_first - only_second) - 1)
        return math.erfc(distance / math.sqrt(2 * count))
    tail = sum(math.comb(count, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, float(Fraction(2 * tail, 2**count)))


def holm(p_values: Sequence[float]) -> list[float]:
    """The same p-values for many questions asked at once (Holm, 1979), in their order."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = highest
    return adjusted


def _mean(drawn: Sequence[tuple[float, int]]) -> float:
    return sum(total for total, _ in drawn) / sum(count for _, count in drawn)
