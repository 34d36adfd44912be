"""What the ledger needs now and then, done by whichever process is elected for this moment."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from datetime import timedelta
from types import FrameType

import structlog

from reelmill.bells import Bells
from reelmill.ledger.bells import queued_by_model
from reelmill.ledger.claim import SUSPECT_PATIENCE_S, waiting_suspects
from reelmill.ledger.database import Database
from reelmill.ledger.purge import PurgeSpec, purge_for
from reelmill.ledger.schedule_ticks import start_due_schedules
from reelmill.ledger.sweep import sweep_elected
from reelmill.settings import Settings
from reelmill.urls import service_urls
from worker.exporter import Exporter
from worker.metrics import Metrics
from worker.notifier import Notifier
from worker.periodic import Periodic
from worker.scanner import Scanner

log = structlog.get_logger(__name__)
PURGE_BITE_S = 1.0


class Housekeeping:
    """Requeue what lost its worker, start schedules, ring for what is queued, make room for suspects, purge.

    Short statements only.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        bells: Bells,
        make_room: Callable[[], None] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._bells = bells
        self._make_room = make_room
        self._metrics = metrics

    def tick(self) -> None:
        """One round; does nothing in processes that are not elected."""
        report = sweep_elected(self._database)
        if report is None:
            return
        if self._metrics is not None:
            self._metrics.swept(report)
        if report.requeued or report.failed or report.cancelled:
            log.warning("leases ran out", requeued=report.requeued, failed=report.failed, cancelled=report.cancelled)
        self._start_schedules()
        for model, queued in queued_by_model(self._database, self._settings.max_bells).items():
            self._bells.ring(model, queued)
        if self._make_room is not None and self._suspects_wait():
            self._make_room()
        self._purge_old()

    def _purge_old(self) -> None:
        """A small bite: what is left is for the next round."""
        if self._settings.retention_days is None:
            return
        report = purge_for(self._database, PurgeSpec(timedelta(days=self._settings.retention_days)), PURGE_BITE_S)
        if report.jobs or report.batches:
            log.info("purged what ended long ago", jobs=report.jobs, batches=report.batches)

    def _start_schedules(self) -> None:
        """What is due becomes a batch and a scan; the scanning itself is not done here."""
        report = start_due_schedules(self._database)
        for name, problem in report.problems.items():
            log.error("a schedule cannot be started", schedule=name, error=problem)
        if report.started or report.skipped:
            log.info("schedules were due", started=report.started, skipped=report.skipped)

    def _suspects_wait(self) -> bool:
        return waiting_suspects(self._database, self._settings.served_model_name, older_than_s=SUSPECT_PATIENCE_S) > 0


def run_housekeeping(settings: Settings) -> None:
    """Housekeeping, webhooks, listings of archives, exports, without a model, until SIGTERM: `reelmill housekeep`.

    A scan or an export under way is given back at the end, for the next process to go on with.

    Raises:
        DatabaseUnavailableError, SchemaOutOfDateError: at the start; later ones are logged and waited out.
        WorkerConfigError: the port for metrics cannot be had.
        SystemExit: 0 after SIGTERM.
    """
    urls = service_urls(settings)
    database = Database(urls.database_url, silence_s=settings.lease_s)
    database.check_schema()
    metrics = Metrics(settings.served_model_name)
    metrics.watch_queues(database)
    metrics.serve(settings)
    bells = Bells(urls.redis_url, max_bells=settings.max_bells)
    name = f"housekeep:{socket.gethostname()}:{os.getpid()}"
    scanner = Scanner(settings, database, bells, name)
    scanning = Periodic("scanner", settings.housekeeping_s, scanner.tick)
    housekeeping = Housekeeping(settings, database, bells, metrics=metrics)
    exporter = Exporter(settings, database, name)
    exporting = Periodic("exporter", settings.housekeeping_s, exporter.tick)
    notifying = Periodic("notifier", settings.housekeeping_s, Notifier(settings, database).tick)
    signal.signal(signal.SIGTERM, _leave)
    for thread in (scanning, exporting, notifying):
        thread.start()
    try:
        Periodic("housekeeping", settings.housekeeping_s, housekeeping.tick).run()
    finally:
        scanner.leave()
        exporter.leave()
        for thread in (scanning, exporting, notifying):
            thread.stop()


def _leave(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
