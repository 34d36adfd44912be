"""The look that the report and the live page share: one set of templates, filters and styles."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from reelmill.report.clock import clock
from reelmill.report.model import ReportBox, ReportFrame, ReportMedia, ReportTime

FULL_SCALE = 1000.0
HUES = 8
"""Colours in page.css; labels of one media take them in the order of their appearance."""


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A box in percent of its frame."""

    label: str
    left: float
    top: float
    width: float
    height: float
    hue: int
    truth: bool


@cache
def templates() -> Environment:
    """The templates of this package; everything that they print is escaped."""
    environment = Environment(
        loader=PackageLoader("reelmill.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "data_uri": _data_uri,
        "clock": clock,
        "placed": _placed,
        "hue": _hue,
        "shares": _shares,
    }
    return environment


def asset(name: str) -> str:
    """The text of a style sheet or script of this package."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + b64encode(jpeg).decode()


def _placed(frame: ReportFrame, media: ReportMedia) -> list[PlacedBox]:
    """The frame's boxes that can be drawn: inside it, corners in order."""
    return [
        _place(box, _hue(box.label, media))
        for box in frame.boxes
        if all(math.isfinite(corner) for corner in (box.x1, box.y1, box.x2, box.y2))
    ]


def _hue(label: str, media: ReportMedia) -> int:
    """The colour of a label; a label that has no box anywhere takes the first."""
    labels = dict.fromkeys(box.label for frame in media.frames for box in frame.boxes)
    return next((place for place, known in enumerate(labels) if known == label), 0) % HUES


def _shares(times: Sequence[ReportTime]) -> list[tuple[ReportTime, float]]:
    """Stages that took time, each with its percentage of the whole."""
    total = sum(time.seconds for time in times)
    return [(time, time.seconds * 100 / total) for time in times if time.seconds > 0]


def _place(box: ReportBox, hue: int) -> PlacedBox:
    left, right = sorted((_percent(box.x1), _percent(box.x2)))
    top, bottom = sorted((_percent(box.y1), _percent(box.y2)))
    return PlacedBox(box.label, left, top, right - left, bottom - top, hue, box.truth)


def _percent(corner: float) -> float:
    return min(max(corner, 0.0), FULL_SCALE) * 100 / FULL_SCALE
