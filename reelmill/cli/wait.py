"""`wait`: until a batch or a job has reached its end; what `submit --wait` does too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from reelmill.cli.exit_codes import ExitCode
from reelmill.cli.output import Json, console, tell, write_error
from reelmill.cli.target import Id, opened
from reelmill.schema import JobState, ScanState

if TYPE_CHECKING:
    from reelmill.batch import Batch
    from reelmill.job import Job


def wait(
    target: Id,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, help="Seconds; exit code 4 when it takes longer.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Wait until a batch or a job has reached its end; shows rate, time left, failures and what holds it up.

    Exit code 0 if every job succeeded, 1 if not, 4 if the time ran out. Ctrl-C ends the waiting, not the work.

    Example: `reelmill wait 0199c1c4-… --timeout 3600 && reelmill results 0199c1c4-… --out night.csv`
    """
    with opened(target) as found:
        follow(found, timeout_s=timeout, as_json=as_json)


def follow(submitted: Batch | Job, *, timeout_s: float | None = None, as_json: bool) -> None:
    """Wait, say how it ended, and why jobs failed.

    Raises:
        typer.Exit: 1 unless every job succeeded, 130 after Ctrl-C.
        WaitTimeoutError.
    """
    from reelmill.batch import Batch

    with _interruptible(submitted, as_json=as_json):
        well = (
            _follow_batch(submitted, timeout_s, as_json=as_json)
            if isinstance(submitted, Batch)
            else _follow_job(submitted, timeout_s, as_json=as_json)
        )
    if well:
        return
    if not as_json:
        _say_why(submitted)
    raise typer.Exit(ExitCode.FAILED)


def _follow_job(job: Job, timeout_s: float | None, *, as_json: bool) -> bool:
    state = job.wait(timeout_s, progress=not as_json)
    tell({"job": job.id, "state": state}, f"job {job.id} {state}", as_json=as_json)
    return state is JobState.SUCCEEDED


def _follow_batch(batch: Batch, timeout_s: float | None, *, as_json: bool) -> bool:
    from reelmill.starved import quick_stages, starved

    counts = batch.wait(timeout_s, progress=not as_json)
    stages = quick_stages(batch, counts)
    starved_by = starved(stages) if stages else ""
    summary = f"batch {batch.id}  {counts.succeeded:,} of {counts.total:,} jobs succeeded"
    values = {"batch": batch.id, "total": counts.total, **asdict(counts), "starved": starved_by}
    scan = batch.scan
    if scan is not None:
        from reelmill.cli.show_scan import scan_json, scan_line

        values["scan"] = scan_json(scan)
        summary += f"\n{scan_line(scan)}"
    tell(values, "\n".join(filter(None, (summary, starved_by))), as_json=as_json)
    return counts.succeeded == counts.total and (scan is None or scan.state is ScanState.SUCCEEDED)


@contextmanager
def _interruptible(submitted: Job | Batch, *, as_json: bool) -> Iterator[None]:
    """Ctrl-C ends the waiting, not the work; the id must not be lost with it."""
    try:
        yield
    except KeyboardInterrupt:
        write_error(
            "interrupted",
            "no longer waited for; it goes on",
            subject=str(submitted.id),
            next_step=f"`reelmill wait {submitted.id}` waits again, `reelmill cancel {submitted.id}` stops it",
            as_json=as_json,
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _say_why(submitted: Batch | Job) -> None:
    from reelmill.cli.show_errors import grouped_errors

    failed = tuple(submitted.errors())
    if failed:
        console().print(grouped_errors(failed), soft_wrap=True)
