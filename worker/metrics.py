"""What a Prometheus server may scrape from this process: jobs by end and error, stages, tokens, queues, memory.

Names and units follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from reelmill.ledger.bells import queued_by_model
from reelmill.ledger.database import Database
from reelmill.ledger.sweep import SweepReport
from reelmill.schema import JobResult, ReelmillError, StageTimes
from reelmill.settings import Settings
from worker.errors import WorkerConfigError

log = structlog.get_logger(__name__)
MOST_COUNTED = 1_000_000
"""Queued jobs of a model are counted up to here: a scrape must not read ten million rows."""
QUEUE_AGE_S = 15.0
STAGE_BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


class Metrics:
    """Counters of this process. Any thread may count; nothing listens before `serve`."""

    def __init__(self, model: str) -> None:
        self.registry = CollectorRegistry()
        self._model = model
        self._server: WSGIServer | None = None
        self._ended = Counter(
            "reelmill_jobs_ended", "Attempts that ended here.", ("model", "outcome", "code"), registry=self.registry
        )
        stage = Histogram(
            "reelmill_stage_seconds",
            "Wall time of a succeeded job in each stage.",
            ("model", "stage"),
            buckets=STAGE_BUCKETS_S,
            registry=self.registry,
        )
        self._stages = {each.name: stage.labels(model, each.name.removesuffix("_s")) for each in fields(StageTimes)}
        self._tokens = Counter(
            "reelmill_tokens", "Tokens of succeeded jobs.", ("model", "kind"), registry=self.registry
        )
        self._expired = Counter(
            "reelmill_leases_expired",
            "Leases that ran out, as this process swept them.",
            ("became",),
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(_GpuMemory())

    def succeeded(self, result: JobResult, write_s: float) -> None:
        """A job's results were written, in so many seconds."""
        self._ended.labels(self._model, "succeeded", "").inc()
        times = replace(result.times, write_s=write_s)
        for field, of_stage in self._stages.items():
            of_stage.observe(getattr(times, field))
        generated = result.generated
        self._tokens.labels(self._model, "prompt").inc(sum(words.prompt_tokens for words in generated))
        self._tokens.labels(self._model, "output").inc(sum(words.output_tokens for words in generated))

    def stopped(self, outcome: str, error: ReelmillError | None = None) -> None:
        """An attempt ended without results: failed, retried, cancelled, released or lost."""
        self._ended.labels(self._model, outcome, error.code if error is not None else "").inc()

    def swept(self, report: SweepReport) -> None:
        """Leases ran out, and this process was the one to see it."""
        for became, jobs in asdict(report).items():
            self._expired.labels(became).inc(jobs)

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Show a number that is asked for at each scrape."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def watch_queues(self, database: Database) -> None:
        """Show how many jobs are ready to run, by model."""
        self.registry.register(_QueueDepth(database))

    def serve(self, settings: Settings) -> None:
        """Listen on the settings' port, if they name one.

        Raises:
            WorkerConfigError: the port cannot be had.
        """
        if settings.metrics_port is None:
            return
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        try:
            self._server, _ = start_http_server(settings.metrics_port, settings.metrics_host, self.registry)
        except OSError as error:
            raise WorkerConfigError(
                f"cannot listen on {where}: {error.strerror}",
                subject="REELMILL_METRICS_PORT",
                next_step="Choose a free port; each replica takes the next one",
            ) from error
        log.info("metrics", url=f"http://{where}/metrics")

    def close(self) -> None:
        """Stop listening. Safe to repeat."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _QueueDepth(Collector):
    """Asks the ledger at most every QUEUE_AGE_S, however often it is scraped."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked_at = float("-inf")
        self._ready: dict[str, int] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            if time.monotonic() - self._asked_at > QUEUE_AGE_S:
                self._ready = queued_by_model(self._database, MOST_COUNTED)
                self._asked_at = time.monotonic()
        except ReelmillError as error:
            # No number is better than an old one.
            log.warning("queues cannot be counted", error=str(error))
            return
        family = GaugeMetricFamily(
            "reelmill_jobs_ready", f"Queued jobs that could run now, up to {MOST_COUNTED:,}.", labels=["model"]
        )
        for model, jobs in self._ready.items():
            family.add_metric([model], jobs)
        yield family

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: registering must not ask the database."""
        return []


class _GpuMemory(Collector):
    """The GPUs that this process uses; nothing without CUDA."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_initialized():
            return
        family = GaugeMetricFamily("reelmill_gpu_memory_bytes", "Memory of each GPU.", labels=["device", "kind"])
        for device in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(device)
            for kind, size in {"total": total, "used": total - free}.items():
                family.add_metric([str(device), kind], size)
            family.add_metric([str(device), "reserved"], torch.cuda.memory_reserved(device))
        yield family
