"""Writing the page: one self-contained file, everything that came from outside escaped."""

from __future__ import annotations

import os
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

from markupsafe import Markup

from reelmill.report.look import asset, templates
from reelmill.report.model import ReportFigure, ReportMedia


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
        templates()
        .get_template("page.html.jinja")
        .stream(
            **_inlined(),
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
def _inlined() -> dict[str, str]:
    """Our own style sheet and scripts, as they stand in the page, and what its policy says of the latter."""
    script = asset("frames.js") + asset("page.js")
    return {
        "style": Markup(asset("page.css")),  # noqa: S704 - our own file
        "script": Markup(script),  # noqa: S704 - our own file
        "script_hash": b64encode(sha256(script.encode()).digest()).decode(),
    }
