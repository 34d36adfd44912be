"""Jobs submitted together, as a user holds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from reelmill import export
from reelmill.export import FilePath
from reelmill.job_results import JobResults
from reelmill.ledger import cancel, exports, notifications, results, views
from reelmill.ledger.exports import ExportView
from reelmill.ledger.imports import ImportedLine, line_problems
from reelmill.ledger.notifications import NotificationView
from reelmill.ledger.obstacles import queued_for_models
from reelmill.ledger.scans import ScanView, scan_view
from reelmill.ledger.stages import BatchStages, batch_stages
from reelmill.ledger.views import BatchState, BatchStatus, BatchView, JobError
from reelmill.mill import Mill
from reelmill.obstacle import Obstacles
from reelmill.openai_export import to_openai
from reelmill.progress import batch_progress
from reelmill.schema.export import ExportFormat
from reelmill.specs import export_spec
from reelmill.uris import check_webhook
from reelmill.waiting import Watch, wait_until

if TYPE_CHECKING:
    import pandas as pd


class Batch:
    """A batch of jobs. Properties ask the database each time; all of it may raise DatabaseUnavailableError.

    Partial results are always kept: `results()`, the exports and SQL read whatever has succeeded so far, also while the
    rest is worked, after failures and after `cancel()`.
    """

    def __init__(self, mill: Mill, batch_id: UUID) -> None:
        self._mill = mill
        self._id = batch_id

    @property
    def id(self) -> UUID:
        """Rises with the time of submission."""
        return self._id

    @property
    def state(self) -> BatchState:
        """One word: in_progress, cancelling, completed or cancelled."""
        return views.batch_state(self._mill.database, self._id)

    @property
    def status(self) -> BatchStatus:
        """How many jobs are in which state."""
        return views.batch_counts(self._mill.database, self._id)

    @property
    def request_counts(self) -> BatchStatus:
        """The same as `status`, under OpenAI's name: `.total`, `.completed`, `.failed`."""
        return self.status

    @property
    def scan(self) -> ScanView | None:
        """The listing of its archive: how far it is, what was left out and why. None when jobs were submitted."""
        return scan_view(self._mill.database, self._id)

    @property
    def info(self) -> BatchView:
        """Name, labels and time of the batch, as it was submitted."""
        return views.batch_view(self._mill.database, self._id)

    @property
    def name(self) -> str | None:
        """As it was submitted."""
        return self.info.name

    @property
    def labels(self) -> dict[str, str]:
        """As they were submitted."""
        return self.info.labels

    @property
    def created_at(self) -> datetime:
        """When it was accepted, with time zone."""
        return self.info.created_at

    @property
    def finished_at(self) -> datetime | None:
        """When the last job reached its end, whichever, and the listing too; None before, and again after a retry."""
        return views.batch_finished_at(self._mill.database, self._id)

    @property
    def completed_at(self) -> datetime | None:
        """The same as `finished_at`, under OpenAI's name."""
        return self.finished_at

    @property
    def stages(self) -> BatchStages:
        """Where the time went so far, and what kept the GPU waiting; reads every job, seconds for 200,000."""
        return batch_stages(self._mill.database, self._id)

    def wait(self, timeout: float | None = None, progress: bool = True) -> BatchStatus:
        """Wait until every job has reached its end; returns the last counts. Failed jobs do not raise.

        An archive is listed to its end first; whether that went well, `scan` tells.

        Args:
            timeout: seconds; None waits for ever.
            progress: show rate, time left, failures and what is being waited for: a bar in a terminal or notebook,
                lines on standard error elsewhere.

        Raises:
            WaitTimeoutError: not done in time, and what it waits for; the jobs go on.
            NotFoundError: the batch has been deleted.
        """
        with self._watched(progress) as watch:
            return wait_until(watch, timeout_s=timeout)

    def results(self) -> Iterator[JobResults]:
        """Results of the jobs that have succeeded so far, in the order of submission.

        Streamed: a page of jobs is in memory at a time, and no transaction stays open between pages.
        """
        return results.results(self._mill.database, batch_id=self._id)

    def errors(self) -> Iterator[JobError]:
        """The jobs that failed, and why, in the order of submission, streamed."""
        return views.errors(self._mill.database, batch_id=self._id)

    def notify(self, url: str) -> UUID:
        """POST to this URL when the batch is done, at once if it is; returns the id that the delivery carries.

        Signed with REELMILL_WEBHOOK_SECRET of the workers, tried for about a day, at least once: a repetition has the
        same `webhook-id`. What is retried afterwards is not told again.

        Raises:
            SpecError: not an http(s) URL.
        """
        check_webhook(url)
        return notifications.add_notification(self._mill.database, self._id, url)

    def notifications(self) -> tuple[NotificationView, ...]:
        """The URLs given to `notify`, and whether they were told."""
        return notifications.list_notifications(self._mill.database, self._id)

    def export_to(self, prefix: str, export_format: ExportFormat = "parquet") -> UUID:
        """Leave the results as files below a prefix once the batch is done, at once if it is; returns the export's id.

            batch.export_to("s3://bucket/results/")

        A worker (or `reelmill housekeep`) writes them, where its REELMILL_EXPORT_PREFIXES allow it, in the folder
        `batch=ID/` below the prefix: `part-00000.parquet`, …, and `_SUCCESS` when all are there. The same prefix twice
        is once; an export that was given up goes on where it stopped. What is retried afterwards is not in them.

        Args:
            export_format: `parquet` (as `to_parquet`) or `jsonl` (as `to_jsonl`).

        Raises:
            SpecError: neither s3:// nor file://, no such format, or the results go there in the other one already.
        """
        return exports.add_export(self._mill.database, self._id, export_spec(prefix, export_format))

    def exports(self) -> tuple[ExportView, ...]:
        """Where the results go as files, and how far that is."""
        return exports.list_exports(self._mill.database, self._id)

    def cancel(self) -> int:
        """Cancel what has not ended: at once when queued, within a heartbeat when running. Returns how many jobs.

        An archive is listed no further.
        What has succeeded keeps its results.
        """
        return cancel.cancel(self._mill.database, batch_id=self._id)

    def retry_failed(self) -> int:
        """Queue the failed and cancelled jobs again, with their counts of failures forgotten. Returns how many.

        A listing that failed or was cancelled goes on where it stopped.
        """
        count = cancel.retry_failed(self._mill.database, batch_id=self._id)
        if count:
            self._mill.ring_for_queued()
        return count

    def line_problems(self) -> tuple[ImportedLine, ...]:
        """The lines of its manifest or batch file that became no job, with their numbers and why."""
        return line_problems(self._mill.database, self._id)

    def to_openai(self, path: FilePath, errors: FilePath | None = None) -> int:
        """Write the answers so far in the format of OpenAI's batch output, a line per succeeded job; streamed.

        For batches of `submit_openai_batch`. Returns the lines of `path`.

        Args:
            errors: a second file, for the jobs that failed or were cancelled and the lines that became no job.

        Raises:
            ExportError: a file cannot be written.
        """
        return to_openai(self._mill.database, self._id, path, errors)

    def export(self, path: FilePath) -> int:
        """Write the results so far as `.jsonl`, `.csv` or `.parquet`; see `to_jsonl`, `to_csv`, `to_parquet`.

        Raises:
            SpecError: the name ends otherwise.
            ExportError: the file cannot be written.
            MissingExtraError: Parquet without pyarrow.
        """
        return export.export(self.results(), path)

    def to_jsonl(self, path: FilePath) -> int:
        """One line of JSON per job, whole; streamed; the file appears whole or not at all. Returns the lines."""
        return export.to_jsonl(self.results(), path)

    def to_csv(self, path: FilePath) -> int:
        """One line per caption, answer and box, with the columns of ResultRow; streamed. Returns the rows."""
        return export.to_csv(self.results(), path)

    def to_parquet(self, path: FilePath) -> int:
        """As `to_csv`, typed. Needs the extra `export`, else MissingExtraError."""
        from reelmill.tables import to_parquet

        return to_parquet(self.results(), path)

    def to_pandas(self) -> pd.DataFrame:
        """As `to_csv`, in memory. Needs the extra `export`, else MissingExtraError."""
        from reelmill.tables import to_pandas

        return to_pandas(self.results())

    @contextmanager
    def _watched(self, progress: bool) -> Iterator[Watch[BatchStatus]]:
        """What waiting looks at; shows what it sees."""
        obstacles = Obstacles(lambda: queued_for_models(self._mill.database, batch_id=self._id), lambda: self.scan)
        with batch_progress(f"batch {str(self._id)[:8]}", shown=progress) as show:

            def look() -> BatchStatus:
                status = self.status
                show(status, obstacles.sentence(status) if progress else "")
                return status

            yield Watch(
                subject=f"batch {self._id}",
                look=look,
                done=lambda status: status.done,
                held_up_by=lambda: obstacles.sentence(self.status),
            )

    def __repr__(self) -> str:
        return f"Batch({str(self._id)!r})"
