"""Two runs over the same media, side by side: whether they answer the same, and which is right more often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reelmill.eval.intervals import holm, mcnemar
from reelmill.eval.overlap import match_boxes
from reelmill.eval.verdict import Verdict

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Drift:
    """What two runs have in common in one task.

    Attributes:
        score: the task: captions, boxes, counts, …
        count: what both were asked. `same`: how much of it they answered in the same words (boxes: the same corners).
        mean_iou: of the boxes of one run with those of the other; None where there are none.
        both_right, only_a, only_b, neither: how often; None without truth.
        p: of McNemar's test, corrected for the number of tasks (Holm); None without truth.
    """

    score: str
    count: int
    same: int
    mean_iou: float | None = None
    both_right: int | None = None
    only_a: int | None = None
    only_b: int | None = None
    neither: int | None = None
    p: float | None = None

    @property
    def agreement(self) -> float:
        """Share of equal answers."""
        return self.same / self.count

    @property
    def differs(self) -> bool:
        """Whether one is better, beyond chance; without truth, whether any answer differs."""
        return self.p < SIGNIFICANT if self.p is not None else self.same < self.count

    @property
    def words(self) -> str:
        """The verdict for people."""
        if self.same == self.count:
            return "the same: every answer is equal"
        apart = f"{self.count - self.same:,} of {self.count:,} answers differ"
        if self.p is None or self.only_a is None or self.only_b is None:
            return f"differs: {apart}"
        right = f"{apart}; right in A alone {self.only_a:,}, in B alone {self.only_b:,}, p = {self.p:.2g}"
        if not self.differs:
            return f"the same within chance: {right}"
        return f"differs, {'A' if self.only_a > self.only_b else 'B'} is better: {right}"


def compare(first: Iterable[Verdict], second: Iterable[Verdict], *, with_truth: bool) -> tuple[Drift, ...]:
    """A line per task, in the order of their names; only what both were asked counts.

    Args:
        with_truth: whether `right` of the verdicts means anything.
    """
    others = {verdict.place: verdict for verdict in second}
    pairs: dict[str, list[tuple[Verdict, Verdict]]] = defaultdict(list)
    for verdict in first:
        if verdict.place in others:
            pairs[verdict.score].append((verdict, others[verdict.place]))
    lines = [_drift(score, pairs[score], with_truth=with_truth) for score in sorted(pairs)]
    return _corrected(lines) if with_truth else tuple(lines)


def conclusion(lines: Sequence[Drift]) -> str:
    """All tasks in a word or two: `the same` or `differs`, and where."""
    different = [line.score for line in lines if line.differs]
    if different:
        return f"differs: {', '.join(different)}"
    return "the same" if all(line.same == line.count for line in lines) else "the same within chance"


def _drift(score: str, pairs: Sequence[tuple[Verdict, Verdict]], *, with_truth: bool) -> Drift:
    overlaps = [overlap for one, two in pairs for overlap in _overlaps(one, two)]
    same = sum(_said(one) == _said(two) for one, two in pairs)
    drift = Drift(score, len(pairs), same, sum(overlaps) / len(overlaps) if overlaps else None)
    return _counted(drift, pairs) if with_truth else drift


def _counted(drift: Drift, pairs: Sequence[tuple[Verdict, Verdict]]) -> Drift:
    """With how often each was right."""
    found = [(one.right, two.right) for one, two in pairs]
    only_a, only_b = found.count((True, False)), found.count((False, True))
    return replace(
        drift,
        both_right=found.count((True, True)),
        only_a=only_a,
        only_b=only_b,
        neither=found.count((False, False)),
        p=mcnemar(only_a, only_b),
    )


def _corrected(lines: Sequence[Drift]) -> tuple[Drift, ...]:
    adjusted = holm([line.p if line.p is not None else 1.0 for line in lines])
    return tuple(replace(line, p=p) for line, p in zip(lines, adjusted, strict=True))


def _said(verdict: Verdict) -> tuple[object, ...]:
    """What was said; the overlap with the truth is no part of it."""
    words = "" if verdict.found else verdict.said
    return (verdict.answered, words, verdict.found)


def _overlaps(one: Verdict, two: Verdict) -> list[float]:
    """Of every box of the run that found more."""
    more, fewer = sorted((one.found, two.found), key=len, reverse=True)
    return match_boxes(more, fewer)
