"""Writing the page: one self-contained file, everything that came from outside escaped."""

from __future__ import annotations

import math
import os
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reelmill.report.clock import clock
from reelmill.report.model import ReportBox, ReportFigure, ReportFrame, ReportMedia, ReportTime

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


def write_report(
    path: str | Path,
    media: Sequence[ReportMedia],
    *,
    title: str = "reelmill report",
    figures: Iterable[ReportFigure] = (),
    subtitle: str = "",
    note: str = "",
) -> Path:
    """Write the page and return its path; the file appears whole or not at all.

    Args:
        path: the file to write, usually `report.html`.
        media: what to show, in this order.
        figures: numbers for the top of the page.
        subtitle: what the title leaves out, such as the batch's id.
        note: what a reader has to know before anything else, such as what is left out.
    """
    target = Path(path)
    states = Counter(item.state for item in media)
    stream = (
        _environment()
        .get_template("page.html.jinja")
        .stream(
            title=title,
            figures=tuple(figures),
            subtitle=subtitle,
            note=note,
            media=media,
            states=sorted(states.items()),
            created_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )
    )
    with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=f".{target.name}.", delete=False) as scratch:
        try:
            stream.dump(scratch, encoding="utf-8", errors="replace")
            os.fchmod(scratch.fileno(), 0o644)
            Path(scratch.name).replace(target)
        except BaseException:
            Path(scratch.name).unlink(missing_ok=True)
            raise
    return target


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reelmill.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _asset("page.js")
    environment.filters |= {
        "data_uri": _data_uri,
        "clock": clock,
        "placed": _placed,
        "hue": _hue,
        "shares": _shares,
    }
    environment.globals |= {
        "style": Markup(_asset("page.css")),  # noqa: S704 - our own file
        "script": Markup(script),  # noqa: S704 - our own file
        "script_hash": b64encode(sha256(script.encode()).digest()).decode(),
    }
    return environment


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text()


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
