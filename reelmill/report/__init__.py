"""A batch as one HTML page: frames with their boxes, captions, answers and errors; opens without a server."""

from reelmill.report.collect import collect, unfinished
from reelmill.report.from_results import described, from_results, report_frame, stretch
from reelmill.report.model import (
    ReportBox,
    ReportError,
    ReportFigure,
    ReportFrame,
    ReportMedia,
    ReportText,
    ReportTime,
)
from reelmill.report.page import write_report
from reelmill.report.pictures import BoundedPictures, NoPictures, Pictures, PictureSource

__all__ = [
    "BoundedPictures",
    "NoPictures",
    "PictureSource",
    "Pictures",
    "ReportBox",
    "ReportError",
    "ReportFigure",
    "ReportFrame",
    "ReportMedia",
    "ReportText",
    "ReportTime",
    "collect",
    "described",
    "from_results",
    "report_frame",
    "stretch",
    "unfinished",
    "write_report",
]
