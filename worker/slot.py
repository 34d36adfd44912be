"""A slot: woken by a bell, it claims a job, works it, and claims again. Nothing escapes from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from structlog.contextvars import bound_contextvars

from pipelines.errors import CancelledError
from reelmill.bells import Bells
from reelmill.errors import DatabaseUnavailableError
from reelmill.ledger.claim import ClaimedJob, claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import acknowledge_cancel, fail, release, succeed
from reelmill.ledger.pin import MediaPin, pin_media
from reelmill.schema import JobResult, JobState, ReelmillError
from reelmill.settings import Settings
from worker.drain import Drain
from worker.errors import InternalError, LeaseLostError
from worker.leases import HeldJob, Leases
from worker.ledger_keeper import LedgerKeeper
from worker.metrics import Metrics
from worker.runner import Pin, Runner
from worker.storage import ObjectVersion

log = structlog.get_logger(__name__)
REPORT_RETRY_S = 1.0
OUTCOMES = {JobState.FAILED: "failed", JobState.QUEUED: "retried", JobState.CANCELLED: "cancelled"}


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """What a woken thread does. Holds no state of its own; all threads of a worker share one."""

    settings: Settings
    database: Database
    bells: Bells
    leases: Leases
    drain: Drain
    runner: Runner
    worker_id: str
    metrics: Metrics

    def run(self) -> int:
        """Work until nothing is queued, the slot's time is over or the worker drains; returns the jobs worked."""
        ends_at, worked = time.monotonic() + self.settings.slot_s, 0
        while not self.drain.started:
            if time.monotonic() >= ends_at:
                self.bells.ring(self.settings.served_model_name, 1)
                break
            held = self._take()
            if held is None:
                break
            self._work(held)
            worked += 1
        return worked

    def _take(self) -> HeldJob | None:
        try:
            return self.leases.take(self._claim)
        except DatabaseUnavailableError as error:
            log.warning("cannot claim; housekeeping will ring again", error=str(error))
            return None

    def _claim(self, in_flight: int) -> ClaimedJob | None:
        model, lease_s = self.settings.served_model_name, self.settings.lease_s
        return claim(self.database, self.worker_id, model, lease_s=lease_s, in_flight=in_flight)

    def _work(self, held: HeldJob) -> None:
        with bound_contextvars(job_id=str(held.job.job_id), attempt=held.job.attempt):
            try:
                report = self._attempt(held)
                self._insist(report)
            except Exception:
                # The lease runs out and the ledger gives the job to somebody else.
                log.exception("the end of a job could not be written")
            finally:
                self.leases.drop(held)

    def _attempt(self, held: HeldJob) -> Callable[[], object]:
        """Run the job and return the one statement that reports its end to the ledger.

        This is the job boundary: MemoryError and SystemExit would wedge a Celery thread for good.
        """
        try:
            result = self.runner.run(
                held.job, self._pin(held), held.cancellation, LedgerKeeper(self.database, held.lease)
            )
        except CancelledError:
            return self._stopped(held)
        except LeaseLostError:
            return self._lost
        except ReelmillError as error:
            return self._failed(held, error)
        except BaseException as error:
            log.exception("unexpected error in a job")
            return self._failed(held, InternalError(f"{type(error).__name__}: {error}"))
        return self._succeeded(held, result)

    def _succeeded(self, held: HeldJob, result: JobResult) -> Callable[[], object]:
        def report() -> None:
            started = time.perf_counter()
            if succeed(self.database, held.lease, result):
                self.metrics.succeeded(result, time.perf_counter() - started)
                log.info("succeeded")
            else:
                self.metrics.stopped("lost")
                log.warning("finished too late; another worker has it")

        return report

    def _failed(self, held: HeldJob, error: ReelmillError) -> Callable[[], object]:
        def report() -> None:
            state = fail(self.database, held.lease, error)
            self.metrics.stopped(OUTCOMES[state] if state is not None else "lost", error)
            log.warning("failed", error=str(error), code=error.code, state=state)

        return report

    def _stopped(self, held: HeldJob) -> Callable[[], object]:
        """What is told to the ledger; the outcome is counted once it has been."""
        tell = {"cancelled": acknowledge_cancel, "draining": release}.get(held.stopped_for or "lost")
        if tell is None:
            return self._lost

        def report() -> None:
            tell(self.database, held.lease)
            self.metrics.stopped("cancelled" if held.stopped_for == "cancelled" else "released")

        return report

    def _lost(self) -> None:
        self.metrics.stopped("lost")
        log.warning("the lease was lost; nothing is written")

    def _insist(self, report: Callable[[], object]) -> None:
        """Report until the database takes it, for as long as the lease can live."""
        gives_up_at = time.monotonic() + self.settings.lease_s
        while True:
            try:
                report()
                return
            except DatabaseUnavailableError:
                if time.monotonic() >= gives_up_at:
                    raise
                time.sleep(REPORT_RETRY_S)

    def _pin(self, held: HeldJob) -> Pin:
        def pin(versions: Sequence[tuple[int, ObjectVersion]]) -> None:
            pins = [MediaPin(ordinal, v.etag, v.version_id, v.size_bytes) for ordinal, v in versions]
            if not pin_media(self.database, held.lease, pins):
                raise LeaseLostError("the lease ran out before the media's version could be pinned")

        return pin
