"""A submitted job, for asyncio."""

from __future__ import annotations

import asyncio
from uuid import UUID

from reelmill.job import Job
from reelmill.job_results import JobResults
from reelmill.ledger.views import AttemptView, JobError, JobView
from reelmill.schema import JobState
from reelmill.waiting import wait_until_async


class AsyncJob:
    """As Job, each verb awaited; errors are the same."""

    def __init__(self, job: Job) -> None:
        self._job = job

    @property
    def id(self) -> UUID:
        """Rises with the time of submission."""
        return self._job.id

    async def state(self) -> JobState:
        """queued, running, succeeded, failed or cancelled."""
        return await asyncio.to_thread(lambda: self._job.state)

    async def status(self) -> JobView:
        """Everything that stands in the job's row."""
        return await asyncio.to_thread(lambda: self._job.status)

    async def wait(self, timeout: float | None = None, progress: bool = False) -> JobState:
        """As `Job.wait`. A thousand may wait at once: no thread is held between two looks."""
        with self._job._watched(progress) as watch:
            return await wait_until_async(watch, timeout_s=timeout)

    async def results(self) -> JobResults:
        """As `Job.results`. Raises NoResultsError."""
        return await asyncio.to_thread(self._job.results)

    async def errors(self) -> tuple[JobError, ...]:
        """Why the job failed: one error, or none."""
        return await asyncio.to_thread(self._job.errors)

    async def attempts(self) -> tuple[AttemptView, ...]:
        """Every worker's try at it, oldest first."""
        return await asyncio.to_thread(self._job.attempts)

    async def cancel(self) -> bool:
        """As `Job.cancel`."""
        return await asyncio.to_thread(self._job.cancel)

    async def retry(self) -> bool:
        """As `Job.retry`."""
        return await asyncio.to_thread(self._job.retry)

    def __repr__(self) -> str:
        return f"AsyncJob({str(self.id)!r})"
