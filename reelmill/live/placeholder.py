"""A picture in place of one that cannot be had: of its shape, and saying why."""

from __future__ import annotations

import textwrap

from markupsafe import escape

WIDTH = 480
LINE_LETTERS = 52
LINE_HEIGHT = 20
MOST_LINES = 6


def placeholder(reason: str, aspect: float) -> bytes:
    """An SVG file. `aspect`: width / height."""
    height = round(WIDTH / max(aspect, 0.05))
    most = max(1, min(MOST_LINES, height // LINE_HEIGHT - 1))
    lines = textwrap.wrap(reason, LINE_LETTERS, max_lines=most, placeholder=" …") or [""]
    # Low: boxes lie on it as on the picture.
    top = height - LINE_HEIGHT * (len(lines) - 0.3)
    words = "".join(
        f'<text x="{WIDTH / 2:g}" y="{top + place * LINE_HEIGHT:g}">{escape(line)}</text>'
        for place, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        '<rect width="100%" height="100%" fill="#79808a" fill-opacity=".18"/>'
        f'<g font-family="system-ui, sans-serif" font-size="15" text-anchor="middle" fill="#858c96">{words}</g></svg>'
    ).encode("utf-8", "replace")
