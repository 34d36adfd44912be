"""The demo's part of the report page: the truth beside what was found."""

from __future__ import annotations

from dataclasses import replace

from demo.judge import Verdict, true_boxes
from demo.world import Truth
from reelmill.job_results import JobResults
from reelmill.report import PictureSource, ReportBox, ReportFrame, ReportMedia, ReportText, from_results


def report_media(source: PictureSource, truth: Truth, found: JobResults, verdicts: tuple[Verdict, ...]) -> ReportMedia:
    """Everything about one media for the page."""
    page = from_results(found, source)
    return replace(
        page,
        frames=tuple(_with_truth(frame, found, truth) for frame in page.frames),
        captions=_texts(verdicts, "caption"),
        answers=_texts(verdicts, "ask"),
        groundings=_texts(verdicts, "ground"),
    )


def _with_truth(frame: ReportFrame, found: JobResults, truth: Truth) -> ReportFrame:
    """The frame with the true boxes of what was looked for in it."""
    phrases = {row.phrase for row in found.groundings if row.frame.frame_index == frame.index}
    right = tuple(
        _true(task["phrase"], truth, box)
        for task in truth.tasks
        if task["kind"] == "ground" and task["phrase"] in phrases
        for box in true_boxes(task, truth, frame.index)
    )
    return replace(frame, boxes=frame.boxes + right)


def _true(phrase: str, truth: Truth, box: tuple[float, float, float, float]) -> ReportBox:
    x, y = 1000 / truth.width, 1000 / truth.height
    return ReportBox(phrase, box[0] * x, box[1] * y, box[2] * x, box[3] * y, truth=True)


def _texts(verdicts: tuple[Verdict, ...], kind: str) -> tuple[ReportText, ...]:
    return tuple(ReportText(v.asked, v.said, v.truth, v.right) for v in verdicts if v.kind == kind)
