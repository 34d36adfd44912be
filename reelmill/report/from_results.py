"""From the ledger's rows to what a page shows of one job."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import PurePosixPath

from reelmill.answers import answer_line
from reelmill.frame import Frame
from reelmill.job_results import JobResults
from reelmill.report.clock import clock
from reelmill.report.model import ReportBox, ReportFrame, ReportMedia, ReportText, ReportTime
from reelmill.report.pictures import Pictures, PictureSource
from reelmill.schema import FrameRef, GroundingResult, JobState, SegmentResult, StageTimes

MOST_FRAMES = 48
"""Frames shown of one job; a long video in windows has thousands."""


def from_results(found: JobResults, source: PictureSource) -> ReportMedia:
    """Everything about a succeeded job; its frames are read now, from where `source` finds them."""
    sampled = found.frames
    chosen = sampled[:MOST_FRAMES]
    pictures = _pictures(chosen, source)
    frames = tuple(
        report_frame(found, frame, jpeg=pictures[frame.media.facts.ordinal].jpegs.get(frame.index)) for frame in chosen
    )
    left_out = f"{len(sampled) - len(chosen):,} more are not shown here" if len(sampled) > len(chosen) else ""
    return replace(
        described(found),
        # Without its picture a frame says something only where boxes lie on it.
        frames=tuple(frame for frame in frames if frame.jpeg is not None or frame.boxes),
        missing="; ".join(filter(None, (_missing(pictures, frames), left_out))),
    )


def described(found: JobResults) -> ReportMedia:
    """Everything but the frames."""
    uris = tuple(media.uri for media in found.media)
    return ReportMedia(
        uri=uris[0] if uris else "",
        other_uris=uris[1:],
        state=JobState.SUCCEEDED.value,
        job=str(found.job_id),
        facts=_facts(found),
        summaries=tuple(ReportText("", row.text) for row in found.summaries),
        captions=_captions(found),
        answers=_answers(found),
        groundings=_groundings(found),
        times=tuple(
            ReportTime(stage.name.removesuffix("_s"), getattr(found.times, stage.name)) for stage in fields(StageTimes)
        ),
    )


def report_frame(found: JobResults, frame: Frame, *, jpeg: bytes | None = None, src: str = "") -> ReportFrame:
    """A frame of this job with its boxes; the picture itself, or its address."""
    facts = frame.media.facts
    several = len(found.media) > 1
    return ReportFrame(
        jpeg=jpeg,
        src=src,
        width=facts.width,
        timestamp_s=frame.timestamp_s,
        boxes=tuple(ReportBox(box.label, box.x1, box.y1, box.x2, box.y2) for box in frame.boxes),
        media=facts.ordinal,
        index=frame.index,
        name=f"{facts.ordinal + 1} · {PurePosixPath(frame.uri).name}" if several else "",
        aspect=facts.width / max(facts.height, 1),
    )


def stretch(segment: SegmentResult) -> str:
    """What to call a segment among several."""
    start, end = segment.start_s, segment.end_s
    if start is None or end is None or not (math.isfinite(start) and math.isfinite(end)):
        return f"part {segment.ordinal + 1}"
    return f"{clock(start)} – {clock(end)}"


def _pictures(frames: Sequence[Frame], source: PictureSource) -> Mapping[int, Pictures]:
    """By the place of the media in the job."""
    return {
        ordinal: source.read(media, [frame.index for frame in frames if frame.media is media])
        for ordinal, media in {frame.media.facts.ordinal: frame.media for frame in frames}.items()
    }


def _missing(pictures: Mapping[int, Pictures], frames: tuple[ReportFrame, ...]) -> str:
    reasons = dict.fromkeys(each.missing for each in pictures.values() if each.missing)
    if reasons:
        return "; ".join(reasons)
    lost = sum(frame.jpeg is None for frame in frames)
    return f"{lost} of {len(frames)} frames cannot be read any more" if lost else ""


def _facts(found: JobResults) -> tuple[str, ...]:
    facts: list[str] = []
    if len(found.media) > 1:
        facts.append(f"{len(found.media)} images")
    elif found.media:
        seen = found.media[0].facts
        facts += [f"{seen.width} × {seen.height}", "/".join(dict.fromkeys(filter(None, (seen.format, seen.codec))))]
        facts += [f"{seen.duration_s:.1f} s"] if seen.duration_s is not None else []
        facts += [f"{seen.decode_errors} decoding errors"] if seen.decode_errors else []
    facts += [f"{key}={value}" for key, value in found.labels.items()]
    facts += [f"{found.tiles:,} tiles"] if found.tiles else []
    facts += [f"{found.prompt_tokens:,} tokens in, {found.output_tokens:,} out"] if found.prompt_tokens else []
    return tuple(facts)


def _captions(found: JobResults) -> tuple[ReportText, ...]:
    where = _stretches(found)
    return tuple(ReportText("", row.generated.text, where=where.get(row.segment, "")) for row in found.captions)


def _answers(found: JobResults) -> tuple[ReportText, ...]:
    where = _stretches(found)
    return tuple(ReportText(row.question, answer_line(row), where=where.get(row.segment, "")) for row in found.answers)


def _groundings(found: JobResults) -> tuple[ReportText, ...]:
    """One line per phrase and stretch, however many frames it was looked for in."""
    where = _stretches(found)
    grouped: dict[tuple[int, int, str], list[GroundingResult]] = {}
    for row in found.groundings:
        grouped.setdefault((row.segment, row.task, row.phrase), []).append(row)
    return tuple(
        ReportText(phrase, _found_in(rows), where=where.get(segment, ""), label=_label(rows))
        for (segment, _, phrase), rows in grouped.items()
    )


def _label(rows: list[GroundingResult]) -> str:
    return next((box.label or row.phrase for row in rows for box in row.boxes), "")


def _found_in(rows: list[GroundingResult]) -> str:
    boxes = sum(len(row.boxes) for row in rows)
    hits = sum(bool(row.boxes) for row in rows)
    noun = "images" if rows[0].frame.timestamp_s is None else "frames"
    on_frames = f" on {hits} of {len(rows)} {noun}" if len(rows) > 1 else ""
    lines = [f"{boxes} {'box' if boxes == 1 else 'boxes'}{on_frames}" if boxes else "not there"]
    lines += [
        f"not understood{_at(row.frame)}: {row.problem or ''} {row.generated.raw_text}".strip()
        for row in rows
        if row.status == "malformed"
    ]
    return "\n".join(lines if boxes or len(lines) == 1 else lines[1:])


def _at(frame: FrameRef) -> str:
    return "" if frame.timestamp_s is None else f" at {clock(frame.timestamp_s)}"


def _stretches(found: JobResults) -> Mapping[int, str]:
    """What to call each segment where there are several."""
    return {each.ordinal: stretch(each) for each in found.segments} if len(found.segments) > 1 else {}
