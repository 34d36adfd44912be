"""`wait`, `status`, `retry`, `workers` and `submit --dry-run` on a real database."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pipelines.errors import TruncatedMediaError
from reelmill.embedded import ServiceUrls
from reelmill.ledger.database import Database
from reelmill.ledger.workers import register_worker, retire_worker
from reelmill.starved import ENOUGH_JOBS
from tests.integration.cli.commands import reelmill

Work = Callable[..., None]


def submitted(*uris: str) -> str:
    return str(reelmill("submit", *uris, "--caption", "--ground", "the cat", "--json").json["batch"])


@pytest.mark.usefixtures("mill")
def test_waiting_ends_with_0_when_every_job_succeeded_and_with_1_when_one_failed(work_next: Work) -> None:
    batch = submitted("s3://b/1.png", "s3://b/2.png")
    worker = threading.Timer(1.0, lambda: (work_next(), work_next()))
    worker.start()
    well = reelmill("wait", batch, "--json")
    worker.join()
    batch = submitted("s3://b/3.png", "s3://b/4.png")
    work_next()
    work_next(error=TruncatedMediaError("ends too early", subject="s3://b/4.png"))
    ill = reelmill("wait", batch)

    assert (well.code, well.json["succeeded"], well.json["total"]) == (0, 2, 2)
    assert ill.code == 1
    assert "1 of 2 jobs succeeded" in ill.out
    assert "media_truncated  1 job" in ill.out
    assert "Upload the whole object again" in ill.out


@pytest.mark.usefixtures("mill")
def test_waiting_past_its_time_ends_with_4_and_the_jobs_go_on(work_next: Work) -> None:
    batch = submitted("s3://b/1.png", "s3://b/2.png")

    ran = reelmill("wait", batch, "--timeout", "0.2", "--json")

    assert (ran.code, ran.error["code"]) == (4, "wait_timeout")
    assert batch in ran.error["subject"]
    assert reelmill("status", batch, "--json").json["queued"] == 2


def test_status_says_what_is_waited_for(mill: ServiceUrls, database: Database) -> None:
    batch = submitted("s3://b/1.png", "s3://b/2.png")
    nobody = reelmill("status", batch)
    register_worker(database, "w", model="default", hostname="h", pid=1, device="cpu", concurrency=8)
    somebody = reelmill("status", batch, "--json").json["waiting_for"]

    assert "no worker is alive for model 'default'" in nobody.out
    assert "free worker" in somebody


@pytest.mark.usefixtures("mill")
def test_retry_queues_what_failed_and_nothing_else(work_next: Work) -> None:
    batch = submitted("s3://b/1.png", "s3://b/2.png", "s3://b/3.png")
    work_next()
    work_next(error=TruncatedMediaError("ends too early"))
    job = reelmill("errors", batch, "--json").json["job_id"]

    first = reelmill("retry", batch, "--json")
    second = reelmill("retry", job)

    assert (first.code, first.json) == (0, {"id": batch, "queued_again": 1})
    assert "0 jobs queued again" in second.out
    counts = reelmill("status", batch, "--json").json
    assert (counts["queued"], counts["succeeded"], counts["failed"]) == (2, 1, 0)


def test_workers_are_alive_silent_or_stopped(mill: ServiceUrls, database: Database, work_next: Work) -> None:
    for name, pid in (("tester", 11), ("lost", 12), ("gone", 13)):
        register_worker(database, name, model=f"m-{name}", hostname="box", pid=pid, device="cuda:0", concurrency=8)
    retire_worker(database, "gone")
    with psycopg.connect(mill.database_url, autocommit=True) as connection:
        connection.execute("UPDATE workers SET last_seen_at = now() - interval '20 min' WHERE id = 'lost'")

    shown, told = reelmill("workers"), reelmill("workers", "--all", "--json")

    assert shown.code == 0
    lines = [line.split() for line in shown.out.splitlines()]
    assert ["m-tester", "alive", "0/8", "cuda:0", "box", "11"] in [line[:6] for line in lines]
    assert ["m-lost", "silent", "0/8", "cuda:0", "box", "12", "20", "min", "ago"] in lines
    assert "m-gone" not in shown.out
    assert {line["worker"]: line["state"] for line in told.lines} == {
        "tester": "alive",
        "lost": "silent",
        "gone": "stopped",
    }


def test_without_a_living_worker_of_that_model_workers_ends_with_1(mill: ServiceUrls, database: Database) -> None:
    register_worker(database, "w", model="small", hostname="h", pid=1, device="cpu", concurrency=8)

    assert [reelmill("workers", "--model", name, "--json").code for name in ("small", "large")] == [0, 1]
    assert "Start one: reelmill worker" in reelmill("workers", "--model", "large").out


def test_a_dry_run_checks_and_shows_but_touches_nothing(mill: ServiceUrls) -> None:
    shown = reelmill("submit", "s3://b/1", "s3://b/2", "--caption", "--ask", "[red]why?", "--dry-run")
    told = reelmill(
        "submit",
        "s3://b/1",
        "--ground",
        "a dog",
        "--bound",
        1,
        2,
        "--stop",
        "\n",
        "--stop",
        ". ",
        "--dry-run",
        "--json",
    )
    wrong = reelmill("submit", "s3://b/1", "https://b/2", "--caption", "--dry-run", "--json")

    assert shown.code == 0
    assert "2 jobs would be submitted" in shown.out
    assert "s3://b/2" in shown.out
    assert "[red]why?" in shown.out
    assert told.json["dry_run"] is True
    assert told.json["specs"][0]["tasks"] == [{"kind": "ground", "phrases": ["a dog"]}]
    assert told.json["specs"][0]["sampling"]["bound"] == [1.0, 2.0]
    assert told.json["specs"][0]["generation"]["stop"] == ["\n", ". "]
    assert (wrong.code, wrong.error["code"]) == (2, "uri_scheme_unknown")
    with psycopg.connect(mill.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_dry_run_needs_no_database() -> None:
    assert reelmill("submit", "s3://b/1", "--caption", "--dry-run", "--json").code == 0


@pytest.mark.usefixtures("mill")
def test_shells_complete_verbs_and_the_ids_of_batches() -> None:
    batch = submitted("s3://b/1.png", "s3://b/2.png")
    command = Path(sys.executable).with_name("reelmill")

    def completed(*words: str) -> list[str]:
        asked = {"COMP_WORDS": " ".join(("reelmill", *words)), "COMP_CWORD": str(len(words))}
        environment = os.environ | asked | {"_REELMILL_COMPLETE": "complete_bash"}
        return subprocess.run([command], env=environment, capture_output=True, text=True, check=False).stdout.split()

    assert completed("ret") == ["retry"]
    assert completed("results", batch[:4]) == [batch]


@pytest.mark.usefixtures("mill")
def test_status_and_wait_say_what_the_gpu_waited_for(work_next: Work) -> None:
    batch = submitted(*(f"s3://b/{number}.png" for number in range(ENOUGH_JOBS)))
    early = reelmill("status", batch)
    for _ in range(ENOUGH_JOBS):
        work_next()
    late, waited = reelmill("status", batch), reelmill("wait", batch)
    told = reelmill("status", batch, "--json").json

    assert "GPU busy" not in early.out
    assert "GPU busy" in late.out
    assert told["starved"] in late.out
    assert told["starved"] in waited.out
    assert (told["stages"]["jobs"], told["stages"]["tiles"]) == (ENOUGH_JOBS, ENOUGH_JOBS)


@pytest.mark.usefixtures("mill")
def test_a_batch_too_large_to_read_in_passing_has_no_such_line(
    work_next: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submitted("s3://b/1.png", "s3://b/2.png")
    work_next()
    monkeypatch.setattr("reelmill.starved.MOST_JOBS", 0)

    told = reelmill("status", batch, "--json").json

    assert (told["succeeded"], told["stages"], told["starved"]) == (1, None, "")
