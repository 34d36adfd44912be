"""`purge` and `forget`: what is deleted from the ledger."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from reelmill.cli.output import Json, error_console, tell
from reelmill.cli.target import known_ids


class Ended(StrEnum):
    """The choices of --state."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


Uris = Annotated[list[str] | None, typer.Option("--uri", help="Only jobs that show this object; repeatable.")]
Prefix = Annotated[str, typer.Option(help="Objects whose URI begins so.")]
InBatch = Annotated[str | None, typer.Option(metavar="ID", help="Of this batch.", autocompletion=known_ids)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count.")]


def purge(
    older_than: Annotated[str, typer.Option(metavar="AGE", help="Since their end: 90d, 12h, 30m.")],
    state: Annotated[
        list[Ended] | None,
        typer.Option(help="Only such jobs; repeatable.", show_default="all three"),
    ] = None,
    batch: InBatch = None,
    uri: Uris = None,
    prefix: Prefix = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Delete jobs that ended long ago, with everything that was found; runs over archives still leave them out.

    Works in short transactions beside workers; interrupt it whenever you like, the next call goes on.
    REELMILL_RETENTION_DAYS lets the workers do it by themselves.

    Example: `reelmill purge --older-than 90d --dry-run`
    """
    from reelmill.client import Client

    states = [str(each) for each in state or ()]
    with Client() as client:
        report = client.purge(older_than, states=states, batch=batch, uris=uri or (), prefix=prefix, dry_run=dry_run)
    told = f"{_jobs(report.jobs)} purged" + _among(report.shared, "that showed several objects")
    told += f"; {report.batches:,} empty {'batch' if report.batches == 1 else 'batches'}" if report.batches else ""
    _tell(asdict(report), told, dry_run=dry_run, as_json=as_json)


def forget(
    uris: Annotated[list[str] | None, typer.Argument(metavar="[URI…]", help="s3://bucket/key, file:///path.")] = None,
    prefix: Prefix = "",
    batch: InBatch = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete everything known of objects, or of a batch: jobs in any state, results, attempts, duplicates.

    What runs is stopped. A job that shows several objects goes whole. Nothing is remembered: delete the objects
    themselves first, or a run over the archive finds them again, as new ones.

    Example: `reelmill forget s3://archive/2026/anna.jpg`
    """
    from reelmill.client import Client

    with Client() as client:
        if not (dry_run or yes):
            count = client.forget(*(uris or ()), prefix=prefix, batch=batch, dry_run=True)
            typer.confirm(f"Forget {_jobs(count.jobs)} with everything that was found?", abort=True, err=True)
        report = client.forget(*(uris or ()), prefix=prefix, batch=batch, dry_run=dry_run)
    told = f"{_jobs(report.jobs)} forgotten" + _among(report.stopped, "that had not ended")
    told += _among(report.shared, "that showed several objects")
    told += f"; {report.duplicates:,} mentioned as duplicates" if report.duplicates else ""
    _tell(asdict(report), told, dry_run=dry_run, as_json=as_json)


def _tell(values: dict[str, int], told: str, *, dry_run: bool, as_json: bool) -> None:
    tell({**values, "dry_run": dry_run}, told, as_json=as_json)
    if dry_run and not as_json:
        error_console().print("Nothing was deleted: a dry run", style="yellow")


def _jobs(count: int) -> str:
    return f"{count:,} {'job' if count == 1 else 'jobs'}"


def _among(count: int, which: str) -> str:
    return f", {count:,} of them {which}" if count else ""
