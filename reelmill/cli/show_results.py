"""How results look to people. Names of files and words of models are text to rich, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reelmill.answers import answer_line
from reelmill.job_results import JobResults
from reelmill.schema import GroundingResult


def results_table(jobs: Iterable[JobResults]) -> RenderableType:
    """A line per caption, summary, answer and phrase."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("media", overflow="fold", style="bold", max_width=28)
    table.add_column("asked", overflow="fold", style="cyan", ratio=2)
    table.add_column("said", overflow="fold", ratio=3)
    for job in jobs:
        name = ", ".join(PurePosixPath(media.uri).name for media in job.media)
        for asked, said in _lines(job):
            table.add_row(Text(name), Text(asked), Text(said))
            name = ""
    return table


def job_results(job: JobResults) -> RenderableType:
    """What one job found out."""
    heading = [Text(media.uri, style="bold") for media in job.media]
    lines = [Text.assemble(("  " + asked, "cyan"), "  ", said) for asked, said in _lines(job)]
    return Group(*heading, *lines, Text(""))


def _lines(job: JobResults) -> Iterator[tuple[str, str]]:
    """What was asked, and what was said."""
    several = len(job.segments) > 1
    for caption in job.captions:
        yield _where(caption.segment, several) + "caption", caption.generated.text
    for summary in job.summaries:
        yield "summary", summary.text
    for answer in job.answers:
        yield _where(answer.segment, several) + answer.question, answer_line(answer)
    for grounding in job.groundings:
        yield _where(grounding.segment, several) + grounding.phrase + _when(grounding), _boxes(grounding)


def _where(segment: int, several: bool) -> str:
    return f"[{segment}] " if several else ""


def _when(grounding: GroundingResult) -> str:
    return "" if grounding.frame.timestamp_s is None else f" at {grounding.frame.timestamp_s:.1f} s"


def _boxes(grounding: GroundingResult) -> str:
    if grounding.status == "malformed":
        return f"not understood: {grounding.generated.raw_text}"
    if not grounding.boxes:
        return "not there"
    return ", ".join(f"{box.x1_px:.0f},{box.y1_px:.0f} – {box.x2_px:.0f},{box.y2_px:.0f} px" for box in grounding.boxes)
