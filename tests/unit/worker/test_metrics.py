"""What a scrape of a worker process says, over HTTP."""

from __future__ import annotations

import socket
import sys
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reelmill.ledger.database import Database
from reelmill.ledger.submit import submit_jobs
from reelmill.ledger.sweep import SweepReport
from reelmill.schema import Caption, CaptionResult, Generated, JobResult, JobSpec, StageTimes
from reelmill.settings import Settings
from worker.errors import ObjectNotFoundError, WorkerConfigError
from worker.metrics import Metrics
from worker.supervisor import worker_replicas

WORDS = Generated(text="a", raw_text="a", finish_reason="stop", prompt_tokens=100, output_tokens=7)
Sample = dict[tuple[str, ...], float]


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics("shapes")
    yield made
    made.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scrape(metrics: Metrics) -> dict[str, Sample]:
    """Samples by name and the values of their labels, in the order of the labels' names."""
    port = free_port()
    metrics.serve(Settings(metrics_port=port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    found: dict[str, Sample] = {}
    for sample in (sample for family in families for sample in family.samples):
        found.setdefault(sample.name, {})[tuple(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


def test_jobs_are_counted_by_their_end_and_error_with_stages_and_tokens(metrics: Metrics) -> None:
    result = JobResult((), (), captions=(CaptionResult(0, 0, WORDS),), times=StageTimes(fetch_s=0.5, generate_s=2.0))
    metrics.succeeded(result, write_s=0.02)
    metrics.succeeded(result, write_s=0.02)
    metrics.stopped("failed", ObjectNotFoundError("gone"))
    metrics.stopped("released")

    found = scrape(metrics)

    assert found["reelmill_jobs_ended_total"] == {
        ("", "shapes", "succeeded"): 2,
        ("object_not_found", "shapes", "failed"): 1,
        ("", "shapes", "released"): 1,
    }
    assert found["reelmill_stage_seconds_sum"]["shapes", "fetch"] == 1.0
    assert found["reelmill_stage_seconds_sum"]["shapes", "write"] == 0.04
    assert found["reelmill_stage_seconds_count"]["shapes", "generate"] == 2
    assert found["reelmill_tokens_total"] == {("prompt", "shapes"): 200, ("output", "shapes"): 14}
    assert found["process_resident_memory_bytes"][()] > 0


def test_queues_expired_leases_and_watched_numbers_are_shown(metrics: Metrics, database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    submit_jobs(database, [JobSpec(media=(f"s3://b/{n}",), tasks=(Caption(),)) for n in range(3)])
    metrics.watch_queues(database)
    metrics.watch("reelmill_jobs_running", "Held.", lambda: 4)
    metrics.swept(SweepReport(requeued=2, failed=1, cancelled=0))

    found = scrape(metrics)

    assert found["reelmill_jobs_ready"] == {("default",): 3}
    assert found["reelmill_jobs_running"] == {(): 4}
    assert found["reelmill_leases_expired_total"] == {("requeued",): 2, ("failed",): 1, ("cancelled",): 0}
    database.close()


def test_without_its_database_a_scrape_has_no_queues_but_everything_else(metrics: Metrics) -> None:
    metrics.watch_queues(Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none", pool_size=1))
    metrics.stopped("lost")

    found = scrape(metrics)

    assert "reelmill_jobs_ready" not in found
    assert found["reelmill_jobs_ended_total"] == {("", "shapes", "lost"): 1}


def test_the_memory_of_each_gpu_is_shown_once_cuda_has_started(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretended = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        mem_get_info=lambda device: (30 + device, 80),
        memory_reserved=lambda device: 40 + device,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=pretended))

    assert scrape(metrics)["reelmill_gpu_memory_bytes"] == {
        ("0", "total"): 80,
        ("0", "used"): 50,
        ("0", "reserved"): 40,
        ("1", "total"): 80,
        ("1", "used"): 49,
        ("1", "reserved"): 41,
    }


def test_a_port_that_is_taken_is_named(metrics: Metrics) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WorkerConfigError, match=rf"REELMILL_METRICS_PORT: cannot listen on 127\.0\.0\.1:{port}"):
            metrics.serve(Settings(metrics_port=port))


def test_each_replica_serves_its_metrics_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELMILL_METRICS_PORT", "9100")
    ports = [replica._environment["REELMILL_METRICS_PORT"] for replica in worker_replicas(["0", "1"], as_json=True)]
    assert ports == ["9100", "9101"]
