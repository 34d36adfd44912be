"""A succeeded job as the live page shows it: as a card in a list, and part by part on a page of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from reelmill.job_results import JobResults
from reelmill.report import ReportFrame, ReportMedia, described, report_frame, stretch
from reelmill.schema import SegmentResult

FRAMES_ON_CARD = 8
PARTS_ON_CARD = 3
PARTS_READ = PARTS_ON_CARD + 1
"""One more than is shown tells whether there are more."""
PARTS_PER_PAGE = 20
MOST_MARKS = 400
"""Frames marked on a timeline; beyond it they would be a solid bar."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part's place on the timeline, in percent of the whole. `shown`: it stands on this page."""

    part: int
    left: float
    width: float
    when: str
    caption: str
    shown: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """A video from its beginning to its end; `marks`: where frames were sampled, in percent."""

    length_s: float
    spans: tuple[Span, ...]
    marks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A segment and what was said of it. `name` is empty where it is the only one."""

    number: int
    name: str
    media: ReportMedia


@dataclass(frozen=True, slots=True)
class MediaPage:
    """A media's page: its heading, the timeline (videos only) and a page of its parts."""

    head: ReportMedia
    parts: tuple[Part, ...]
    timeline: Timeline | None
    before: int | None
    after: int | None


def card(found: JobResults) -> ReportMedia:
    """The first parts of a job, and the first frames of those."""
    shown = _only(found, found.segments[:PARTS_ON_CARD])
    frames = _frames(shown)
    more = len(found.segments) > PARTS_ON_CARD or len(frames) > FRAMES_ON_CARD
    return replace(
        described(shown), frames=frames[:FRAMES_ON_CARD], left_out="There is more on its own page" if more else ""
    )


def media_page(found: JobResults, part: int) -> MediaPage:
    """The page on which this part is."""
    start = max(0, min(part, len(found.segments) - 1)) // PARTS_PER_PAGE * PARTS_PER_PAGE
    shown = found.segments[start : start + PARTS_PER_PAGE]
    several = len(found.segments) > 1
    return MediaPage(
        head=replace(described(found), captions=(), answers=(), groundings=()),
        parts=tuple(_part(found, segment, stretch(segment) if several else "") for segment in shown),
        timeline=_timeline(found, shown),
        before=start - PARTS_PER_PAGE if start else None,
        after=start + PARTS_PER_PAGE if start + PARTS_PER_PAGE < len(found.segments) else None,
    )


def _part(found: JobResults, segment: SegmentResult, name: str) -> Part:
    alone = _only(found, (segment,))
    return Part(segment.ordinal, name, replace(described(alone), frames=_frames(alone), summaries=()))


def _only(found: JobResults, segments: tuple[SegmentResult, ...]) -> JobResults:
    """The same job, as if it had these segments alone."""
    kept = {segment.ordinal for segment in segments}
    return replace(
        found,
        segments=segments,
        captions=tuple(row for row in found.captions if row.segment in kept),
        answers=tuple(row for row in found.answers if row.segment in kept),
        groundings=tuple(row for row in found.groundings if row.segment in kept),
    )


def _frames(found: JobResults) -> tuple[ReportFrame, ...]:
    """Every frame with its address; one that several segments share is that of the first."""
    of_segment: dict[tuple[int, int], int] = {}
    for segment in found.segments:
        for frame in segment.frames:
            of_segment.setdefault((frame.media_ordinal, frame.frame_index), segment.ordinal)
    return tuple(
        report_frame(found, frame, src=f"/jobs/{found.job_id}/parts/{part}/frames/{place[0]}-{place[1]}.jpg")
        for frame in found.frames
        for place in ((frame.media.facts.ordinal, frame.index),)
        for part in (of_segment.get(place, 0),)
    )


def _timeline(found: JobResults, shown: tuple[SegmentResult, ...]) -> Timeline | None:
    if not found.media or found.media[0].facts.kind != "video":
        return None
    times = [frame.timestamp_s for segment in found.segments for frame in segment.frames]
    known = [time for time in times if time is not None]
    ends = [segment.end_s for segment in found.segments if segment.end_s is not None and math.isfinite(segment.end_s)]
    length_s = max([found.media[0].facts.duration_s or 0.0, *ends, *known])
    if length_s <= 0:
        return None
    captions = {row.segment: row.text for row in reversed(found.captions)}
    spans = tuple(
        _span(segment, length_s, captions.get(segment.ordinal, ""), segment in shown) for segment in found.segments
    )
    marks = tuple(_share(time, length_s) for time in known) if len(known) <= MOST_MARKS else ()
    return Timeline(length_s, spans, marks)


def _span(segment: SegmentResult, length_s: float, caption: str, shown: bool) -> Span:
    left = _share(segment.start_s or 0.0, length_s)
    right = _share(length_s if segment.end_s is None else segment.end_s, length_s)
    return Span(segment.ordinal, left, max(right - left, 0.0), stretch(segment), caption, shown)


def _share(time_s: float, length_s: float) -> float:
    return min(max(time_s, 0.0), length_s) * 100 / length_s
