"""A batch or a job, straight from the ledger, as what a page shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

from reelmill.ledger.database import Database
from reelmill.ledger.results import results
from reelmill.ledger.views import AttemptView, JobView, attempts, job_view
from reelmill.report.from_results import from_results
from reelmill.report.model import ReportError, ReportMedia
from reelmill.report.pictures import PictureSource
from reelmill.schema import JobState


def collect(database: Database, jobs: Mapping[UUID, JobState], source: PictureSource) -> Iterator[ReportMedia]:
    """What there is to show of these jobs, in their order, one at a time."""
    for job_id, state in jobs.items():
        found = next(results(database, job_ids=[job_id]), None) if state is JobState.SUCCEEDED else None
        # It may have been queued again since it was listed: then it is shown as it is now.
        yield from_results(found, source) if found else _unfinished(database, job_id)


def _unfinished(database: Database, job_id: UUID) -> ReportMedia:
    job = job_view(database, job_id)
    uri = job.media[0] if job.media else ""
    return ReportMedia(
        uri=uri,
        other_uris=job.media[1:],
        state=job.state.value,
        job=str(job.id),
        facts=(*_tries(job), *(f"{key}={value}" for key, value in job.labels.items())),
        error=_error(job, attempts(database, job_id), uri),
    )


def _tries(job: JobView) -> tuple[str, ...]:
    return (f"{job.attempt} {'attempt' if job.attempt == 1 else 'attempts'}",) if job.attempt else ()


def _error(job: JobView, tries: tuple[AttemptView, ...], uri: str) -> ReportError | None:
    """Why it failed; of a job that is still tried, what its last attempt met."""
    if job.error_code:
        return ReportError(job.error_code, _message(job.error_message, uri), job.error_next_step or "")
    last = tries[-1] if tries else None
    if last is None or job.state.done or not last.error_code:
        return None
    return ReportError(last.error_code, _message(last.error_message, uri), "It will be tried again")


def _message(text: str | None, uri: str) -> str:
    """Without the media's name, which stands in the heading."""
    return (text or "").removeprefix(f"{uri}: ")
