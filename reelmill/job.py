"""A submitted job, as a user holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from reelmill.errors import NoResultsError
from reelmill.job_results import JobResults
from reelmill.ledger import cancel, results, views
from reelmill.ledger.obstacles import queued_for_models
from reelmill.ledger.views import AttemptView, BatchStatus, JobError, JobView
from reelmill.mill import Mill
from reelmill.obstacle import Obstacles
from reelmill.progress import batch_progress
from reelmill.schema import JobState
from reelmill.waiting import Watch, wait_until


class Job:
    """One media object (or set of images) and what was asked of it. Properties ask the database each time.

    Every method may raise DatabaseUnavailableError, and NotFoundError once the job has been deleted.
    """

    def __init__(self, mill: Mill, job_id: UUID) -> None:
        self._mill = mill
        self._id = job_id

    @property
    def id(self) -> UUID:
        """Rises with the time of submission."""
        return self._id

    @property
    def state(self) -> JobState:
        """queued, running, succeeded, failed or cancelled."""
        return views.job_state(self._mill.database, self._id)

    @property
    def status(self) -> JobView:
        """Everything that stands in the job's row: `.state`, `.error_code`, times, attempts, …"""
        return views.job_view(self._mill.database, self._id)

    def wait(self, timeout: float | None = None, progress: bool = False) -> JobState:
        """Wait until the job has reached its end; returns its last state. A failed job does not raise.

        Args:
            timeout: seconds; None waits for ever.
            progress: show a bar, and what is being waited for.

        Raises:
            WaitTimeoutError: not done in time, and what it waits for; the job goes on.
        """
        with self._watched(progress) as watch:
            return wait_until(watch, timeout_s=timeout)

    def results(self) -> JobResults:
        """What the job found out.

        Raises:
            NoResultsError: it has not succeeded; the message says why, or how far it is.
        """
        for found in results.results(self._mill.database, job_ids=[self._id]):
            return found
        status = self.status
        reason = f": {status.error_message}" if status.error_message else ""
        raise NoResultsError(
            f"the job is {status.state}{reason}",
            subject=str(self._id),
            next_step=status.error_next_step or ("" if status.state.done else "Wait for it: `.wait()`"),
        )

    def errors(self) -> tuple[JobError, ...]:
        """Why the job failed: one error, or none."""
        return tuple(views.errors(self._mill.database, job_ids=[self._id]))

    def attempts(self) -> tuple[AttemptView, ...]:
        """Every worker's try at it, oldest first."""
        return views.attempts(self._mill.database, self._id)

    def cancel(self) -> bool:
        """Cancel it: at once when queued, within a heartbeat when running. False: it had already ended."""
        return cancel.cancel(self._mill.database, job_ids=[self._id]) > 0

    def retry(self) -> bool:
        """Queue it again after it failed or was cancelled, its failures forgotten. False: it had done neither."""
        if not cancel.retry_failed(self._mill.database, job_ids=[self._id]):
            return False
        self._mill.ring_for_queued()
        return True

    @contextmanager
    def _watched(self, progress: bool) -> Iterator[Watch[JobState]]:
        """What waiting looks at; shows what it sees."""
        obstacles = Obstacles(lambda: queued_for_models(self._mill.database, job_id=self._id))
        with batch_progress(f"job {self._id}", shown=progress) as show:

            def look() -> JobState:
                state = self.state
                status = _alone(state)
                show(status, obstacles.sentence(status) if progress else "")
                return state

            yield Watch(
                subject=f"job {self._id}",
                look=look,
                done=lambda state: state.done,
                held_up_by=lambda: obstacles.sentence(_alone(self.state)),
            )

    def __repr__(self) -> str:
        return f"Job({str(self._id)!r})"


def _alone(state: JobState) -> BatchStatus:
    """One job as a batch of its own."""
    return BatchStatus.of({state.value: 1})
