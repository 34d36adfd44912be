"""Verdicts added up: per metric, and per slice of every label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reelmill.eval.intervals import bootstrap, wilson
from reelmill.eval.verdict import Mark, Verdict

HEADLINE = (
    "boxes_iou50",
    "boxes_mean_iou",
    "counts",
    "captions_exact",
    "attributes",
    "reading",
    "motion",
    "absent",
)
"""Told of every run, also where nothing was asked for them."""
MOST_SLICES = 24
"""A label with more values than that is a name, not a kind."""


@dataclass(frozen=True, slots=True)
class Score:
    """A mean in [0, 1] with its 95% interval, over all (`label` is empty) or where `label` is `slice`.

    `count`: how many values stand behind it.
    """

    metric: str
    value: float
    low: float
    high: float
    count: int
    label: str = ""
    slice: str = ""


def scores(verdicts: Sequence[Verdict]) -> tuple[Score, ...]:
    """Of every metric that has a value, in the order of their names."""
    return tuple(_scored(verdicts))


def slices(verdicts: Sequence[Verdict], wanted: Iterable[str] = ()) -> tuple[Score, ...]:
    """The same for every value of these labels; by default of all that have two values or more, and not too many."""
    values = _label_values(verdicts)
    names = tuple(wanted) or sorted(name for name, found in values.items() if 1 < len(found) <= MOST_SLICES)
    return tuple(
        score
        for name in names
        for value in sorted(values.get(name, ()))
        for score in _scored([each for each in verdicts if each.labels.get(name) == value], name, value)
    )


def headline(found: Iterable[Score]) -> dict[str, float | None]:
    """The scores of HEADLINE, None where there is none, and after them what else the file named."""
    values = {score.metric: round(score.value, 4) for score in found if not score.label}
    return {name: values.get(name) for name in (*HEADLINE, *(name for name in values if name not in HEADLINE))}


def _scored(verdicts: Sequence[Verdict], label: str = "", value: str = "") -> list[Score]:
    groups: dict[str, dict[tuple[str, ...], list[Mark]]] = defaultdict(lambda: defaultdict(list))
    for verdict in verdicts:
        for mark in verdict.marks:
            groups[mark.metric][verdict.place.uris].append(mark)
    return [_score(metric, groups[metric], label, value) for metric in sorted(groups)]


def _score(metric: str, by_media: Mapping[tuple[str, ...], Sequence[Mark]], label: str, value: str) -> Score:
    values = [[float(mark.value) for mark in marks] for marks in by_media.values()]
    count, total = sum(map(len, values)), sum(map(sum, values))
    share = all(mark.is_share for marks in by_media.values() for mark in marks)
    interval = wilson(total, count) if share else bootstrap(values)
    return Score(metric, total / count, interval.low, interval.high, count, label, value)


def _label_values(verdicts: Iterable[Verdict]) -> Mapping[str, set[str]]:
    values: dict[str, set[str]] = defaultdict(set)
    for verdict in verdicts:
        for name, value in verdict.labels.items():
            values[name].add(value)
    return values
