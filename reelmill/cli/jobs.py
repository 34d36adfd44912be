"""`status`, `errors`, `retry`, `cancel`: what became of what was submitted."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from reelmill.cli.database import opened_database
from reelmill.cli.output import Json, console, tell, write_json
from reelmill.cli.target import Id, known_ids, opened

if TYPE_CHECKING:
    from reelmill.batch import Batch
    from reelmill.job import Job
    from reelmill.ledger.views import BatchStatus


def status(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="A batch's or a job's id; the latest batches without one.", autocompletion=known_ids
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show where a batch or a job stands, what it waits for, and what the GPU waited for.

    Example: `reelmill status 0199c1c4-…`
    """
    if target is None:
        _latest_batches(as_json)
        return
    from rich.console import Group

    from reelmill.batch import Batch
    from reelmill.cli import show
    from reelmill.ledger.views import BatchStatus
    from reelmill.starved import quick_stages, starved

    with opened(target) as found:
        if isinstance(found, Batch):
            info, counts = found.info, found.status
            waiting_for = _waiting_for(found, counts)
            stages, scan = quick_stages(found, counts), found.scan
            starved_by = starved(stages) if stages else ""
            view = show.batch_status(info, counts, waiting_for, starved_by)
            values = {**show.batch_json(info, counts), "stages": stages and asdict(stages), "starved": starved_by}
            if scan is not None:
                from reelmill.cli.show_scan import scan_json, scan_status

                view = Group(view, scan_status(scan))
                values["scan"] = scan_json(scan)
            if exports := found.exports():
                from reelmill.cli.show_exports import export_json, export_line

                view = Group(view, *map(export_line, exports))
                values["exports"] = [export_json(export) for export in exports]
        else:
            job, attempts = found.status, found.attempts()
            waiting_for = _waiting_for(found, BatchStatus.of({job.state.value: 1}))
            view, values = show.job_status(job, attempts, waiting_for), show.job_json(job, attempts)
    if as_json:
        write_json({**values, "waiting_for": waiting_for})
    else:
        console().print(view, soft_wrap=True)


def errors(target: Id, as_json: Json = False) -> None:
    """Print why jobs failed, grouped by reason, and what to do about each; and why results were not left as files.

    Example: `reelmill errors 0199c1c4-…`
    """
    from reelmill.cli.show_errors import grouped_errors

    with opened(target) as found:
        if as_json:
            for error in found.errors():
                write_json(error)
        else:
            console().print(grouped_errors(found.errors()), soft_wrap=True)
        _export_errors(found, as_json=as_json)


def retry(target: Id, as_json: Json = False) -> None:
    """Queue failed and cancelled jobs again, their earlier failures forgotten. What succeeded is not touched.

    Example: `reelmill retry 0199c1c4-… && reelmill wait 0199c1c4-…`
    """
    from reelmill.batch import Batch

    with opened(target) as found:
        count = found.retry_failed() if isinstance(found, Batch) else int(found.retry())
    _tell_count(found, "queued_again", count, f"{_jobs(count)} queued again", as_json=as_json)


def cancel(target: Id, as_json: Json = False) -> None:
    """Cancel a batch or a job: what waits at once, what runs within seconds. Finished jobs keep their results.

    Example: `reelmill cancel 0199c1c4-…`
    """
    with opened(target) as found:
        count = int(found.cancel())
    _tell_count(found, "cancelled", count, f"{_jobs(count)} cancelled", as_json=as_json)


def _export_errors(found: Batch | Job, *, as_json: bool) -> None:
    from reelmill.batch import Batch
    from reelmill.cli.show_exports import export_json, export_line

    failed = [each for each in found.exports() if each.state == "failed"] if isinstance(found, Batch) else []
    for export in failed:
        if as_json:
            write_json(export_json(export))
        else:
            console().print(export_line(export), soft_wrap=True)


def _tell_count(found: Batch | Job, name: str, count: int, text: str, *, as_json: bool) -> None:
    tell({"id": found.id, name: count}, text, as_json=as_json)


def _jobs(count: int) -> str:
    return f"{count:,} {'job' if count == 1 else 'jobs'}"


def _waiting_for(found: Batch | Job, status: BatchStatus) -> str:
    """What holds it up; empty when nothing does."""
    from reelmill.batch import Batch
    from reelmill.ledger.obstacles import queued_for_models
    from reelmill.obstacle import obstacle, scan_obstacle

    if status.scanning and isinstance(found, Batch) and not status.queued:
        return scan_obstacle(found.scan) if found.scan else ""
    if not status.queued:
        return ""
    which = {"batch_id" if isinstance(found, Batch) else "job_id": found.id}
    with opened_database() as database:
        return obstacle(queued_for_models(database, **which), running=status.running)


def _latest_batches(as_json: bool) -> None:
    from reelmill.cli import show
    from reelmill.ledger.views import batch_counts, list_batches

    with opened_database() as database:
        listed = [(batch, batch_counts(database, batch.id)) for batch in list_batches(database)]
    if as_json:
        for batch, counts in listed:
            write_json(show.batch_json(batch, counts))
    else:
        console().print(show.batches(listed))
