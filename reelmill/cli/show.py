"""How jobs and batches look: rich renderables for people, plain values for JSON.

Names of files and words of models are text to rich, never markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reelmill.ledger.views import AttemptView, BatchStatus, BatchView, JobView
from reelmill.schema import JobSpec, JobState

PLANNED = 10
"""Jobs named by `submit --dry-run`."""
STYLES = {
    JobState.QUEUED: "yellow",
    JobState.RUNNING: "cyan",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.CANCELLED: "dim",
}


def batch_json(batch: BatchView, counts: BatchStatus) -> dict[str, Any]:
    """A batch with its counts by state."""
    return {
        "batch": batch.id,
        "name": batch.name,
        "labels": batch.labels,
        "created_at": batch.created_at,
        "done": counts.done,
        "total": counts.total,
        **asdict(counts),
    }


def job_json(job: JobView, tries: Sequence[AttemptView]) -> dict[str, Any]:
    """A job with the history of its attempts."""
    values = asdict(job)
    return {"job": values.pop("id"), "batch": values.pop("batch_id"), **values, "attempts": tries}


def batches(listed: Sequence[tuple[BatchView, BatchStatus]]) -> RenderableType:
    """One line per batch."""
    if not listed:
        return Text("No batches yet. Submit one: reelmill submit s3://bucket/key --caption", style="dim")
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("batch", no_wrap=True)
    table.add_column("submitted", no_wrap=True)
    table.add_column("finished", no_wrap=True, justify="right")
    table.add_column("failed", justify="right")
    table.add_column("name", overflow="fold")
    for batch, counts in listed:
        table.add_row(
            str(batch.id),
            f"{batch.created_at:%m-%d %H:%M}Z",
            f"{counts.finished:,}/{counts.total:,}",
            Text(f"{counts.failed:,}", style="red" if counts.failed else "dim"),
            Text(batch.name or ""),
        )
    return table


def batch_status(batch: BatchView, counts: BatchStatus, waiting_for: str = "", starved_by: str = "") -> RenderableType:
    """A batch's progress, what holds it up, and what the GPU waited for."""
    states = Text("  ").join(
        Text(f"{state.value} {getattr(counts, state):,}", style=style if getattr(counts, state) else "dim")
        for state, style in STYLES.items()
    )
    lines = [
        Text.assemble(("batch ", "dim"), str(batch.id), f"  {batch.name}" if batch.name else ""),
        Text(f"{counts.finished:,} of {counts.total:,} jobs finished"),
        states,
    ]
    if waiting_for:
        lines.append(Text(waiting_for, style="yellow"))
    if starved_by:
        lines.append(Text(starved_by))
    if counts.failed:
        lines.append(Text(f"Why: reelmill errors {batch.id}", style="dim"))
    return Group(*lines)


def job_status(job: JobView, tries: Sequence[AttemptView], waiting_for: str = "") -> RenderableType:
    """A job, its error, its attempts, and what holds it up."""
    lines = [
        Text.assemble(("job ", "dim"), str(job.id), "  ", (job.state.value, STYLES[job.state])),
        *(Text(f"  {uri}") for uri in job.media),
    ]
    if job.error_code:
        lines.append(Text.assemble((f"  {job.error_code} ", "red"), job.error_message or ""))
        lines.append(Text(f"  {job.error_next_step or ''}", style="dim"))
    if waiting_for:
        lines.append(Text(f"  {waiting_for}", style="yellow"))
    for attempt in tries:
        reason = f"  {attempt.error_code}: {attempt.error_message}" if attempt.error_code else ""
        lines.append(Text(f"  attempt {attempt.attempt}  {attempt.outcome}  {attempt.worker_id}{reason}", style="dim"))
    return Group(*lines)


def planned(specs: Sequence[JobSpec]) -> RenderableType:
    """What `submit --dry-run` would submit: the media, and once what is asked of all of them."""
    count = len(specs)
    lines = [Text(f"{count:,} {'job' if count == 1 else 'jobs'} would be submitted", style="bold")]
    for spec in specs[:PLANNED]:
        lines.append(Text(f"  {'  '.join(spec.media)}"))
    if count > PLANNED:
        lines.append(Text(f"  and {count - PLANNED:,} more (--json lists all)", style="dim"))
    lines += [Text.assemble((f"  {name}  ", "cyan"), value) for name, value in _asked(specs[0])]
    return Group(*lines, Text("Nothing was touched: neither the database nor the media were looked at.", style="dim"))


def _asked(spec: JobSpec) -> Iterator[tuple[str, str]]:
    """What is asked, and every other field that differs from its default."""
    for task in spec.model_dump(mode="json")["tasks"]:
        yield task.pop("kind"), "  ".join(str(item) for pair in task.items() for item in _listed(*pair))
    given = spec.model_dump(mode="json", exclude={"media", "tasks"}, exclude_defaults=True)
    for name, value in given.items():
        yield name, json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _listed(name: str, value: Any) -> Iterable[Any]:
    """The values themselves; of a switch that is on its name."""
    if isinstance(value, list):
        return value
    if value is True:
        return [name]
    return [value] if value else []
