"""The Celery application: one task on the threads pool, early acknowledgement, no result backend."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, signals
from kombu.transport.redis import Channel

from reelmill.bells import TASK_NAME, queue_name
from reelmill.logs import configure_logging
from reelmill.schema import ReelmillError
from reelmill.settings import Settings
from reelmill.urls import service_urls
from worker.backends import load_backend
from worker.errors import WorkerConfigError
from worker.process import LoadBackend, WorkerProcess

CRASHED = os.EX_SOFTWARE


def make_app(settings: Settings, load: LoadBackend = load_backend) -> Celery:
    """A Celery app whose worker serves the settings' model.

    The message is only a bell: acknowledged before it is worked, lost without harm; redelivery is the ledger's.
    """
    queue = queue_name(settings.served_model_name)
    app = Celery("reelmill", broker=service_urls(settings).redis_url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        task_default_queue=queue,
        task_create_missing_queues=True,
        worker_pool="threads",
        worker_concurrency=settings.concurrency,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=True,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A full Redis refuses what Celery notes about each message: wait for room instead of leaving.
        broker_channel_error_retry=True,
        broker_transport_options={
            # No list of taken bells in Redis: a bell acknowledged on a connection that is gone failed likewise.
            "ack_emulation": False,
            "socket_connect_timeout": 5,
            "socket_timeout": 30,
            "socket_keepalive": True,
            "health_check_interval": 15,
        },
    )
    # A bell that was taken need not be hung again: housekeeping rings. Doing so on a connection that had just broken
    # ended Celery's consumer with an AttributeError, and the worker with it.
    Channel.do_restore = False
    _Hooks(settings, load).connect(app)
    return app


class _Hooks:
    """Ties a WorkerProcess to the life of the Celery worker, and the task to its slot."""

    def __init__(self, settings: Settings, load: LoadBackend) -> None:
        self._settings = settings
        self._load = load
        self._process: WorkerProcess | None = None

    def connect(self, app: Celery) -> None:
        app.task(name=TASK_NAME, ignore_result=True)(self.work)
        signals.setup_logging.connect(self._setup_logging, weak=False)
        signals.worker_init.connect(self._start, weak=False)
        signals.worker_shutting_down.connect(self._drain, weak=False)
        signals.worker_shutdown.connect(self._stop, weak=False)

    def work(self) -> None:
        """The task: a bell was rung."""
        if self._process is not None:
            self._process.lookout.hear()

    def _setup_logging(self, **_: Any) -> None:
        configure_logging(self._settings)

    def _start(self, sender: Any, **_: Any) -> None:
        """Celery swallows exceptions of signal handlers, but not this one: a worker that cannot start must exit.

        The standard command prints the message; `reelmill worker` finds the typed reason in the cause.
        """
        try:
            _require_threads_pool(sender.pool_cls)
            self._process = WorkerProcess.start(self._settings, self._load)
        except ReelmillError as error:
            raise SystemExit(f"the worker cannot start: {error} ({error.code})") from error

    def _drain(self, **_: Any) -> None:
        if self._process is not None:
            self._process.leave()

    def _stop(self, sender: Any, **_: Any) -> None:
        if self._process is not None:
            self._process.stop()
        if sender.exitcode:
            # Celery has logged why; it would leave with 0 when it is not its own command that runs.
            raise SystemExit(CRASHED)


def _require_threads_pool(pool: Any) -> None:
    name = pool if isinstance(pool, str) else pool.__module__
    if "thread" not in name:
        raise WorkerConfigError(
            f"the pool {name!r} would fork or block around the GPU",
            subject="--pool",
            next_step="Leave --pool away, or use --pool threads",
        )
