"""The worst cases as a page: what was said beside what is true, and the true boxes dashed on the frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from reelmill.eval.run import Judged
from reelmill.eval.scores import Score
from reelmill.eval.verdict import Kind, Verdict
from reelmill.job_results import JobResults
from reelmill.report import (
    PictureSource,
    ReportBox,
    ReportError,
    ReportFigure,
    ReportFrame,
    ReportMedia,
    ReportText,
    from_results,
)
from reelmill.report.clock import clock


def worst(judged: Iterable[Judged], most: int) -> list[Judged]:
    """Media with something wrong, the most wrong first."""
    wrong = [each for each in judged if not all(verdict.right for verdict in each.verdicts)]
    return sorted(wrong, key=_share_right)[:most]


def report_media(judged: Iterable[Judged], source: PictureSource) -> Iterator[ReportMedia]:
    """One entry of the page per media, in their order."""
    for each in judged:
        yield _unanswered(each) if each.found is None else _answered(each, each.found, source)


def figures(found: Iterable[Score]) -> list[ReportFigure]:
    """The scores over all for the top of a page."""
    return [ReportFigure(score.metric.replace("_", " "), f"{score.value:.0%}") for score in found if not score.label]


def _share_right(judged: Judged) -> float:
    return sum(verdict.right for verdict in judged.verdicts) / max(len(judged.verdicts), 1)


def _answered(judged: Judged, found: JobResults, source: PictureSource) -> ReportMedia:
    page = from_results(found, source)
    return replace(
        page,
        frames=tuple(_with_truth(frame, found, judged.verdicts) for frame in page.frames),
        captions=_texts(judged.verdicts, "caption") or page.captions,
        answers=_texts(judged.verdicts, "answer") or page.answers,
        groundings=_texts(judged.verdicts, "boxes") or page.groundings,
    )


def _unanswered(judged: Judged) -> ReportMedia:
    return ReportMedia(
        uri=judged.media.uris[0],
        other_uris=judged.media.uris[1:],
        state="failed",
        captions=_texts(judged.verdicts, "caption"),
        answers=_texts(judged.verdicts, "answer"),
        groundings=_texts(judged.verdicts, "boxes"),
        error=ReportError("unanswered", "its job did not succeed", "`reelmill errors` says why"),
    )


def _with_truth(frame: ReportFrame, found: JobResults, verdicts: Sequence[Verdict]) -> ReportFrame:
    """The frame with the true boxes of what was looked for in it."""
    facts = found.media[frame.media].facts
    x, y = 1000 / facts.width, 1000 / facts.height
    right = tuple(
        ReportBox(verdict.place.asked, box[0] * x, box[1] * y, box[2] * x, box[3] * y, truth=True)
        for verdict in verdicts
        if (verdict.place.image, verdict.place.frame_index) == (frame.media, frame.index)
        for box in verdict.truth_boxes
    )
    return replace(frame, boxes=frame.boxes + right)


def _texts(verdicts: Sequence[Verdict], kind: Kind) -> tuple[ReportText, ...]:
    return tuple(_text(verdict) for verdict in verdicts if verdict.place.kind == kind)


def _text(verdict: Verdict) -> ReportText:
    asked = verdict.place.asked or "caption"
    where = "" if verdict.timestamp_s is None else clock(verdict.timestamp_s)
    said = verdict.said if verdict.answered else "no answer"
    return ReportText(asked, said, verdict.truth, verdict.right, where=where, label=verdict.place.asked)
