"""What a media looked like, as labels that every score is broken down by."""

from __future__ import annotations

from reelmill.job_results import JobResults

SMALL_PX, LARGE_PX = 500_000, 1_500_000
"""Below is small, from there on large; in between medium."""
WIDE_FROM, TALL_TO = 1.15, 0.87
"""Width / height."""


def shape_labels(found: JobResults) -> dict[str, str]:
    """Kind, size and aspect of a job's (first) media."""
    if not found.media:
        return {}
    facts = found.media[0].facts
    kind = "images" if len(found.media) > 1 else facts.kind
    return {"kind": kind, "size": _size(facts.width * facts.height), "aspect": _aspect(facts.width, facts.height)}


def _size(pixels: int) -> str:
    return "small" if pixels < SMALL_PX else "large" if pixels >= LARGE_PX else "medium"


def _aspect(width: int, height: int) -> str:
    ratio = width / max(height, 1)
    return "wide" if ratio >= WIDE_FROM else "tall" if ratio <= TALL_TO else "square"
