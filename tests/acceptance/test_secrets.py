"""Every secret that a mill is given is looked for in everything that it says, while its services fail under it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.chaos.proxy import TcpProxy, proxy_to
from reelmill import Caption, Client
from reelmill.doctor import Check, Status, machine
from reelmill.embedded import ServiceUrls
from tests.integration.cli.commands import reelmill, reelmill_process
from tests.pictures import noise_png
from tests.services import S3Server
from tests.workers import TINY_MODEL, WorkerUnderTest, rows, running_worker, wait_until

OURS = {
    "REELMILL_WEBHOOK_SECRET": "whsec_never-shown-1",
    "REELMILL_SERVE_TOKEN": "never-shown-2",
    "REELMILL_OPENAI_API_KEY": "sk-never-shown-3",
    "REELMILL_OPENAI_BASE_URL": "http://user:never-shown-4@127.0.0.1:9/v1",
    "AWS_SECRET_ACCESS_KEY": "never-shown-5",
    "AWS_SESSION_TOKEN": "never-shown-6",
}
WRONG = "never-shown-7"
INSTANT = [sys.executable, "-m", "benchmarks.instant"]
"""A worker whose model answers at once."""


@pytest.mark.timeout(400)
def test_no_secret_is_in_logs_errors_doctor_or_reports(
    mill: ServiceUrls,
    s3_server: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    set_environment: Callable[..., None],
) -> None:
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)
    database, redis = urlsplit(mill.database_url), urlsplit(mill.redis_url)
    secrets = [*OURS.values(), WRONG, "never-shown", *filter(None, (database.password, redis.password))]
    with proxy_to(database.port or 5432) as to_database, proxy_to(redis.port or 6379) as to_redis:
        urls = {
            "database_url": _at(mill.database_url, to_database.port),
            "redis_url": _at(mill.redis_url, to_redis.port),
        }
        quick = {"log_level": "DEBUG", "lease_s": "3", "heartbeat_s": "0.3", "housekeeping_s": "0.3"}
        with running_worker(tmp_path / "worker.log", arguments=INSTANT, **urls, **quick) as worker:
            _work_through_failures(worker, to_database, to_redis, s3_server)
            assert worker.terminate() == 0
    said = {"log": worker.log(), "rows": str(rows(mill.database_url, "SELECT error_message FROM attempts"))}
    monkeypatch.setattr(machine, "_gpus", lambda **_: Check("gpu", Status.OK, "not looked at"))
    page = tmp_path / "report.html"
    for words in ("doctor --all", "doctor --json", "errors latest", "status latest", f"report latest --out {page}"):
        said[words] = _said(words)
    said["report"] = page.read_text()
    set_environment(database_url=_at(mill.database_url, database.port or 5432, WRONG))
    set_environment(redis_url=_at(mill.redis_url, redis.port or 6379, WRONG))
    for words in ("doctor", "workers", "submit s3://a/b.png --caption"):
        said[f"{words}, wrong password"] = _said(words)
    for words in (f"worker --model {TINY_MODEL}", "housekeep --json"):
        said[f"{words}, wrong password"] = _said_by_process(words)
    assert all(said.values())
    assert "object_not_found" in said["errors latest"]
    for where, text in said.items():
        found = [secret for secret in secrets if secret in text]
        assert not found, f"in {where}: {found}"


def _work_through_failures(
    worker: WorkerUnderTest, to_database: TcpProxy, to_redis: TcpProxy, s3_server: S3Server
) -> None:
    """One job that succeeds, two that fail, and connections that break and fall silent around them."""
    specs = [s3_server.put("secrets/a.png", noise_png(1)), s3_server.put("secrets/b.png", b"no picture"), "s3://a/gone"]
    with Client() as client:
        batch = client.submit_many({"media": uri, "tasks": [Caption()]} for uri in specs)
        assert batch.wait(timeout=60, progress=False).failed == 2, worker.log()
    to_redis.cut()
    to_database.swallow()
    wait_until(lambda: "no answer from the database" in worker.log(), why=worker.log)
    to_database.cut()
    wait_until(lambda: "Connection to broker lost" in worker.log() or "Cannot connect" in worker.log(), why=worker.log)


def _at(url: str, port: int, password: str | None = None) -> str:
    parts = urlsplit(url)
    user = f"{parts.username or ''}:{password or parts.password or ''}"
    return parts._replace(netloc=f"{user}@{parts.hostname}:{port}").geturl()


def _said(words: str) -> str:
    ran = reelmill(*words.split())
    return ran.out + ran.err


def _said_by_process(words: str) -> str:
    ran = reelmill_process(*words.split())
    return ran.out + ran.err
