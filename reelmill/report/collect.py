"""Jobs, straight from the ledger, as what a page shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from uuid import UUID

from reelmill.job_results import JobResults
from reelmill.ledger.database import Database
from reelmill.ledger.results import results
from reelmill.ledger.views import AttemptView, JobView, job_views, last_attempts
from reelmill.report.model import ReportError, ReportMedia
from reelmill.schema import JobState

AT_ONCE = 50
"""Jobs whose rows are held in memory together."""


def collect(
    database: Database,
    jobs: Mapping[UUID, JobState],
    show: Callable[[JobResults], ReportMedia],
    *,
    first_parts: int | None = None,
) -> Iterator[ReportMedia]:
    """What there is to show of these jobs, in their order.

    Args:
        show: makes of a succeeded job what the page shows of it.
        first_parts: read only so many segments of each job; all by default.
    """
    for start in range(0, len(jobs), AT_ONCE):
        chosen = tuple(jobs)[start : start + AT_ONCE]
        done = [job_id for job_id in chosen if jobs[job_id] is JobState.SUCCEEDED]
        found = {each.job_id: each for each in results(database, job_ids=done, first_parts=first_parts)}
        # A job may have been queued again since it was listed: then it is shown as it is now; or deleted.
        others = unfinished(database, [job_id for job_id in chosen if job_id not in found])
        for job_id in chosen:
            if job_id in found:
                yield show(found[job_id])
            elif job_id in others:
                yield others[job_id]


def unfinished(database: Database, job_ids: Sequence[UUID]) -> dict[UUID, ReportMedia]:
    """What there is to show of jobs that have no results: why they failed, or how it stands with them."""
    if not job_ids:
        return {}
    tries = last_attempts(database, job_ids)
    return {job.id: _without_results(job, tries.get(job.id)) for job in job_views(database, job_ids)}


def _without_results(job: JobView, last: AttemptView | None) -> ReportMedia:
    uri = job.media[0] if job.media else ""
    return ReportMedia(
        uri=uri,
        other_uris=job.media[1:],
        state=job.state.value,
        job=str(job.id),
        facts=(*_tries(job), *(f"{key}={value}" for key, value in job.labels.items())),
        error=_error(job, last, uri),
    )


def _tries(job: JobView) -> tuple[str, ...]:
    return (f"{job.attempt} {'attempt' if job.attempt == 1 else 'attempts'}",) if job.attempt else ()


def _error(job: JobView, last: AttemptView | None, uri: str) -> ReportError | None:
    """Why it failed; of a job that is still tried, what its last attempt met."""
    if job.error_code:
        return ReportError(job.error_code, _message(job.error_message, uri), job.error_next_step or "")
    if last is None or job.state.done or not last.error_code:
        return None
    return ReportError(last.error_code, _message(last.error_message, uri), "It will be tried again")


def _message(text: str | None, uri: str) -> str:
    """Without the media's name, which stands in the heading."""
    return (text or "").removeprefix(f"{uri}: ")
