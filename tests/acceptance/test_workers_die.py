"""Workers are killed, stopped and drained; every job ends once, with one set of rows."""

from __future__ import annotations

from pathlib import Path

from reelmill import Ask, Caption, Client, Generation, JobSpec
from reelmill.embedded import ServiceUrls
from tests.pictures import noise_png
from tests.services import S3Server
from tests.workers import rows, running_worker, wait_until

QUICK_LEASES = {"lease_s": "3", "heartbeat_s": "0.5", "housekeeping_s": "0.5"}
LONG = Generation(max_new_tokens=400)


def _specs(s3_server: S3Server, prefix: str, count: int, generation: Generation) -> list[JobSpec]:
    return [
        JobSpec(
            media=(s3_server.put(f"{prefix}/{n}.png", noise_png(n)),),
            tasks=(Caption(), Ask("What is it?")),
            generation=generation,
        )
        for n in range(count)
    ]


def test_after_sigkill_in_the_middle_each_job_has_its_results_exactly_once(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    batch = Client().submit_many(_specs(s3_server, "kill", 24, LONG))
    db = mill.database_url
    with running_worker(tmp_path / "first.log", **QUICK_LEASES) as first:
        wait_until(
            lambda: (
                rows(
                    db,
                    "SELECT count(*) FILTER (WHERE state = 'succeeded') > 2"
                    " AND count(*) FILTER (WHERE state = 'running') > 2 FROM jobs",
                )
                == [(True,)]
            ),
            why=first.log,
        )
        first.kill()
    interrupted = rows(db, "SELECT count(*) FROM jobs WHERE state = 'running'")[0][0]
    assert interrupted
    with running_worker(tmp_path / "second.log", **QUICK_LEASES) as second:
        status = batch.wait(timeout=120, progress=False)
    assert status.succeeded == 24, second.log()
    assert rows(db, "SELECT count(*), count(DISTINCT job_id) FROM captions") == [(24, 24)]
    assert rows(db, "SELECT count(*), count(DISTINCT job_id) FROM answers") == [(24, 24)]
    assert rows(db, "SELECT count(*) FROM attempts WHERE outcome = 'lost'") == [(interrupted,)]
    assert rows(db, "SELECT count(*) FROM jobs WHERE crashes = 1 AND attempt = 2") == [(interrupted,)]


def test_sigterm_gives_unfinished_jobs_back_without_counting_it_against_them(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    batch = Client().submit_many(_specs(s3_server, "term", 16, Generation(max_new_tokens=3000)))
    db = mill.database_url
    running = "SELECT count(*) > 2 FROM jobs WHERE state = 'running'"
    with running_worker(tmp_path / "first.log", drain_s="0.5", **QUICK_LEASES) as first:
        wait_until(lambda: rows(db, running) == [(True,)], why=first.log)
        assert first.terminate(timeout_s=30) == 0
    assert rows(db, "SELECT count(*) FROM jobs WHERE state = 'running'") == [(0,)]
    assert rows(db, "SELECT count(*) > 0 FROM attempts WHERE outcome = 'released'") == [(True,)]
    assert rows(db, "SELECT max(crashes), max(transient_failures) FROM jobs") == [(0, 0)]
    assert batch.status.failed == 0


def test_cancelling_reaches_running_and_queued_jobs(mill: ServiceUrls, s3_server: S3Server, tmp_path: Path) -> None:
    batch = Client().submit_many(_specs(s3_server, "cancel", 16, Generation(max_new_tokens=3000)))
    db = mill.database_url
    with running_worker(tmp_path / "worker.log", **QUICK_LEASES) as worker:
        wait_until(lambda: rows(db, "SELECT count(*) > 2 FROM jobs WHERE state = 'running'") == [(True,)])
        batch.cancel()
        status = batch.wait(timeout=60, progress=False)
        assert worker.process.poll() is None
    assert status.cancelled + status.succeeded == 16, worker.log()
    assert status.cancelled > 8
