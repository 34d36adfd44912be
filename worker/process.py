"""Everything that one worker process holds: a model, its decoders, the leases and the threads around them."""

from __future__ import annotations

import os
import socket
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import structlog

from pipelines.media.decode import DecodePool
from pipelines.model.types import Backend
from reelmill.bells import Bells
from reelmill.errors import DatabaseUnavailableError
from reelmill.ledger.database import Database
from reelmill.ledger.workers import register_model, register_worker, retire_worker
from reelmill.settings import Settings
from reelmill.urls import service_urls
from worker.backends import load_backend
from worker.drain import Drain
from worker.exporter import Exporter
from worker.heartbeat import beat
from worker.housekeeping import Housekeeping
from worker.leases import Leases
from worker.lookout import Lookout
from worker.metrics import Metrics
from worker.notifier import Notifier
from worker.periodic import Periodic
from worker.pulse import Pulse
from worker.runner import Runner
from worker.scanner import Scanner
from worker.slot import Slot
from worker.storage import Storage
from worker.storage.downloads import clear_leftovers

log = structlog.get_logger(__name__)
REGISTER_RETRY_S = 1.0
ROUNDS_WITHOUT_A_BELL = 2
"""Housekeeping rings for whatever is queued in each of its rounds: who hears nothing for two of them has no Redis."""
DRAIN_SLACK_S = 10.0
LoadBackend = Callable[[Settings], Backend]


@dataclass(frozen=True, slots=True, eq=False)
class WorkerProcess:
    """A started worker. `lookout.hear` is what a bell wakes; any number of threads may be in it."""

    settings: Settings
    database: Database
    backend: Backend
    decoders: DecodePool
    drain: Drain
    lookout: Lookout
    scanner: Scanner
    exporter: Exporter
    threads: tuple[Periodic, ...]
    worker_id: str
    pulse: Pulse
    metrics: Metrics

    @classmethod
    def start(cls, settings: Settings, load: LoadBackend = load_backend) -> Self:
        """Check the database, load the model once, start decoders, heartbeat and housekeeping.

        Raises:
            DatabaseUnavailableError, SchemaOutOfDateError, WorkerConfigError, CheckpointError, ModelServerError.
        """
        pulse = Pulse(settings).start()
        beating = Periodic("pulse", settings.heartbeat_s, pulse.beat)
        beating.start()
        try:
            return cls._start(settings, load, pulse, beating)
        except BaseException:
            beating.stop()
            pulse.stop()
            raise

    @classmethod
    def _start(cls, settings: Settings, load: LoadBackend, pulse: Pulse, beating: Periodic) -> Self:
        urls = service_urls(settings)
        # Who has heard nothing for a lease has lost its jobs: better to ask anew than to wait on.
        database = Database(urls.database_url, pool_size=settings.concurrency + 4, silence_s=settings.lease_s)
        database.check_schema()
        backend = load(settings)
        worker_id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        _insist_on_registering(database, worker_id, settings, backend)
        bells = Bells(urls.redis_url, max_bells=settings.max_bells)
        leases = Leases()
        drain = Drain(leases, settings.drain_s)
        decoders = DecodePool(settings.decode_processes, max_live_bytes=settings.max_tile_mb * 2**20)
        download_dir = settings.download_dir or Path(tempfile.gettempdir())
        leftovers = clear_leftovers(download_dir)
        if leftovers:
            log.info("cleared downloads that a killed worker left", files=leftovers)
        runner = Runner(settings, Storage(settings), decoders, backend, download_dir)
        metrics = _metrics(settings, database, leases, decoders)
        housekeeping = Housekeeping(settings, database, bells, make_room=leases.make_room, metrics=metrics)
        scanner = Scanner(settings, database, bells, worker_id)
        exporter = Exporter(settings, database, worker_id)
        heartbeat = partial(beat, database, worker_id, leases, settings.lease_s, pulse)
        slot = Slot(settings, database, bells, leases, drain, runner, worker_id, metrics)
        silence_s = ROUNDS_WITHOUT_A_BELL * settings.housekeeping_s
        lookout = Lookout(slot.run, most=settings.concurrency, silence_s=silence_s)
        threads = (
            Periodic("heartbeat", settings.heartbeat_s, heartbeat),
            Periodic("housekeeping", settings.housekeeping_s, housekeeping.tick),
            Periodic("lookout", settings.housekeeping_s, lookout.look),
            Periodic("notifier", settings.housekeeping_s, Notifier(settings, database).tick),
            *((Periodic("scanner", settings.housekeeping_s, scanner.tick),) if settings.scan_archives else ()),
            *((Periodic("exporter", settings.housekeeping_s, exporter.tick),) if settings.write_exports else ()),
        )
        for thread in threads:
            thread.start()
        pulse.saw_database()
        pulse.become("ready")
        log.info("worker ready", worker_id=worker_id, model=settings.served_model_name, path=backend.info.path)
        threads = (*threads, beating)
        return cls(
            settings, database, backend, decoders, drain, lookout, scanner, exporter, threads, worker_id, pulse, metrics
        )

    def leave(self) -> None:
        """Stop claiming; what runs gets its grace time. Safe to call from a signal handler and more than once."""
        self.drain.start()
        self.scanner.leave()
        self.exporter.leave()
        self.pulse.become("draining")

    def stop(self) -> None:
        """End the threads, the decoders and the engine; slots that bells woke have returned by now."""
        self.scanner.leave()
        self.exporter.leave()
        self.drain.start()
        self.lookout.wait(self.settings.drain_s + DRAIN_SLACK_S)
        for thread in self.threads:
            thread.stop()
        self.metrics.close()
        self.backend.close()
        self.decoders.close()
        retire_worker(self.database, self.worker_id)
        self.database.close()
        self.pulse.stop()
        log.info("worker stopped", worker_id=self.worker_id)


def _metrics(settings: Settings, database: Database, leases: Leases, decoders: DecodePool) -> Metrics:
    metrics = Metrics(settings.served_model_name)
    metrics.watch("reelmill_jobs_running", "Jobs that this process holds.", lambda: len(leases.tokens()))
    metrics.watch("reelmill_waiting_tile_bytes", "Decoded, not yet used up.", lambda: decoders.live_bytes)
    metrics.watch_queues(database)
    metrics.serve(settings)
    return metrics


def _insist_on_registering(database: Database, worker_id: str, settings: Settings, backend: Backend) -> None:
    """Until the database takes it: a model that took minutes to load is not thrown away for an outage of seconds."""
    while True:
        try:
            _register(database, worker_id, settings, backend)
            return
        except DatabaseUnavailableError as error:
            log.warning("loaded, and the database is away; trying again", error=str(error))
            time.sleep(REGISTER_RETRY_S)


def _register(database: Database, worker_id: str, settings: Settings, backend: Backend) -> None:
    info = backend.info
    register_model(
        database,
        settings.served_model_name,
        path=info.path,
        revision=info.revision,
        family=info.family,
        dtype=info.precision,
    )
    register_worker(
        database,
        worker_id,
        model=settings.served_model_name,
        hostname=socket.gethostname(),
        pid=os.getpid(),
        device=info.device,
        concurrency=settings.concurrency,
    )
