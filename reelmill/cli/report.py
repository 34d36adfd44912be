"""`report`: a batch as one HTML page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from reelmill.cli.database import opened_database
from reelmill.cli.output import Json, console, error_console, write_json
from reelmill.cli.pictures import picture_source
from reelmill.cli.target import Id, opened
from reelmill.errors import SpecError
from reelmill.schema import JobState

if TYPE_CHECKING:
    from reelmill.batch import Batch
    from reelmill.job import Job
    from reelmill.ledger.database import Database
    from reelmill.report import ReportMedia

MOST_PICTURE_BYTES = 60_000_000
"""All pictures of a page together: phones still open it."""


def report(
    target: Id,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path("report.html"),
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many jobs.")] = 200,
    state: Annotated[
        list[JobState] | None, typer.Option("--state", help="Only jobs in this state. Repeatable.", show_default="all")
    ] = None,
    frames: Annotated[bool, typer.Option("--frames/--no-frames", help="Read the media for their frames.")] = True,
    as_json: Json = False,
) -> None:
    """Write one HTML file: frames with boxes, captions, answers, times and errors. It opens without a server.

    Frames are read here and now, from where the media lie: file:// below REELMILL_FILE_ROOTS, s3:// with your
    credentials. Where that cannot be, the page says why and shows the boxes alone.

    Example: `reelmill report 0199c1c4-… --out night.html --state failed`
    """
    if not out.parent.is_dir():
        raise SpecError("there is no such directory", subject=str(out.parent), next_step="Make it, or change --out")
    from reelmill.report import BoundedPictures, collect, from_results, write_report

    with opened(target) as found, opened_database() as database, picture_source(frames) as source:
        chosen = _chosen(database, found, tuple(state or JobState), limit)
        show = partial(from_results, source=BoundedPictures(source, MOST_PICTURE_BYTES))
        collected = collect(database, chosen.jobs, show)
        media = list(followed(collected, len(chosen.jobs), shown=not as_json))
    path = write_report(out, media, title=chosen.title, subtitle=chosen.subtitle, note=chosen.note).resolve()
    size_bytes = path.stat().st_size
    if as_json:
        write_json({"report": path, "jobs": len(media), "bytes": size_bytes})
    else:
        console().print(f"{path}  {len(media):,} jobs, {size_bytes / 1e6:.1f} MB", soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The jobs for the page, what to call it, and what it leaves out."""

    title: str
    subtitle: str
    jobs: Mapping[UUID, JobState]
    note: str = ""


def _chosen(database: Database, found: Batch | Job, states: Collection[JobState], limit: int) -> _Chosen:
    from reelmill.batch import Batch
    from reelmill.ledger.listing import JobFilter, list_jobs

    if not isinstance(found, Batch):
        return _Chosen("One job", f"job {found.id}", {found.id: found.state})
    counts = found.status
    jobs = list_jobs(database, JobFilter(found.id, states), most=limit)
    wanted = sum(getattr(counts, state) for state in states)
    left_out = f"The first {len(jobs):,} of {wanted:,} jobs; --limit takes more." if len(jobs) < wanted else ""
    only = f"Only jobs that are {' or '.join(states)}." if len(states) < len(JobState) else ""
    note = " ".join(filter(None, (only, left_out)))
    return _Chosen(found.info.name or "Batch without a name", f"batch {found.id}", jobs, note)


def followed(media: Iterable[ReportMedia], total: int, *, shown: bool) -> Iterator[ReportMedia]:
    """The same, with a bar on a terminal while media are read."""
    from rich.progress import track

    yield from track(
        media,
        "reading media",
        total=total,
        console=error_console(),
        transient=True,
        disable=not shown,
    )
