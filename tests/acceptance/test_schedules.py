"""An archive that changes between the runs of a schedule: exactly the right jobs, and one batch for each time.

No test waits for the clock: a time is made due by writing it into the schedule's row, as if the clock had come to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from reelmill import Caption, Client, Generation, PrefixSpec, Schedule, ScheduleRun
from reelmill.embedded import ServiceUrls
from tests.pictures import noise_clip, noise_png
from tests.services import S3Server
from tests.webhooks import receiving
from tests.workers import REPOSITORY, WorkerUnderTest, rows, running_worker, wait_until

SETTINGS = {"housekeeping_s": "0.1", "webhook_secret": "s", "webhook_private_addresses": "true"}
JOBS = """
    SELECT m.uri, j.state FROM jobs j JOIN media m ON m.job_id = j.id WHERE j.batch_id = %s ORDER BY m.uri
"""


@contextmanager
def running_housekeep(log_path: Path) -> Iterator[WorkerUnderTest]:
    """`reelmill housekeep` as a process of its own; dead at the end of the block."""
    environment = os.environ | {f"REELMILL_{name.upper()}": value for name, value in SETTINGS.items()}
    command = [sys.executable, "-m", "reelmill", "housekeep", "--json"]
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=REPOSITORY
        )
    housekeep = WorkerUnderTest(process, log_path)
    try:
        yield housekeep
    finally:
        if process.poll() is None:
            housekeep.kill()


def make_due(mill: ServiceUrls, ago: str = "0 s") -> None:
    """As if the clock had come to the schedule's next time, so long ago."""
    with psycopg.connect(mill.database_url, autocommit=True) as connection:
        connection.execute("UPDATE schedules SET next_run_at = now() - %s::interval", [ago])


def next_run(mill: ServiceUrls, schedule: Schedule) -> ScheduleRun:
    """One time comes; the entry that it leaves in the history, once its batch is done."""
    before = len(schedule.history())
    make_due(mill)

    def done() -> bool:
        history = schedule.history()
        return len(history) > before and history[0].state in ("done", "failed", "skipped")

    wait_until(done, timeout_s=120, why=lambda: str(schedule.history()))
    assert len(schedule.history()) == before + 1
    return schedule.history()[0]


@pytest.mark.timeout(400)
def test_each_time_takes_what_is_new_or_changed_and_two_mills_make_one_batch(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    def put(key: str, content: bytes | Path) -> str:
        return s3_server.put(f"nightly/{key}", content)

    same, replaced, removed = (put(f"{name}.png", noise_png(seed)) for seed, name in enumerate("abc"))
    broken, _ = put("broken.png", b"\x89PNG\r\n\x1a\nand nothing more"), put("readme.txt", b"not media")
    s3_server.put("elsewhere/z.png", noise_png(9))
    archive = PrefixSpec(
        prefix=f"s3://{s3_server.bucket}/nightly/", tasks=(Caption(),), generation=Generation(max_new_tokens=4)
    )
    with ExitStack() as alive:
        client, told = alive.enter_context(Client()), alive.enter_context(receiving())
        schedule = client.add_schedule("nightly", "0 2 * * *", archive, timezone="Europe/Berlin", webhook=told.url)
        worker = alive.enter_context(running_worker(tmp_path / "worker.log", **SETTINGS))
        second = alive.enter_context(running_housekeep(tmp_path / "housekeep.log"))

        first_run = next_run(mill, schedule)
        assert rows(mill.database_url, JOBS, first_run.batch_id) == [
            (same, "succeeded"),
            (replaced, "succeeded"),
            (broken, "failed"),
            (removed, "succeeded"),
        ], worker.log() + second.log()
        assert (first_run.accepted, first_run.succeeded, first_run.failed) == (4, 3, 1)

        put("a.png", noise_png(0))
        put("b.png", noise_png(7))
        s3_server.client.delete_object(Bucket=s3_server.bucket, Key="nightly/c.png")
        added = put("2026/clip.mp4", noise_clip(tmp_path / "clip.mp4", seed=2))
        second_run = next_run(mill, schedule)
        assert rows(mill.database_url, JOBS, second_run.batch_id) == [(added, "succeeded"), (replaced, "succeeded")]
        assert (second_run.accepted, second_run.succeeded, second_run.failed) == (2, 2, 0)
        versions = rows(mill.database_url, "SELECT DISTINCT etag FROM media WHERE uri = %s", replaced)
        assert len(versions) == 2, "a replaced object is answered again, and its old answer stays"

        assert [next_run(mill, schedule).accepted for _ in range(4)] == [0] * 4
        second.kill()
        assert next_run(mill, schedule).accepted == 0, "one mill is enough"
        wait_until(lambda: len({json.loads(body)["data"]["batch"] for _, _, body in told.received}) == 7, timeout_s=60)
    counts = "SELECT (SELECT count(*) FROM batches), (SELECT count(*) FROM scans), (SELECT count(*) FROM jobs)"
    assert rows(mill.database_url, counts) == [(7, 7, 6)]
    history = "SELECT state, count(*), count(DISTINCT batch_id) FROM reelmill.schedule_history GROUP BY 1"
    assert rows(mill.database_url, history) == [("done", 7, 7)]


@pytest.mark.timeout(300)
def test_after_a_weekend_without_a_mill_the_latest_time_runs_once_whoever_comes_back(
    mill: ServiceUrls, tmp_path: Path
) -> None:
    archive = PrefixSpec(prefix="s3://archive/weekend/", tasks=(Caption(),))
    with Client() as client, ExitStack() as alive:
        schedule = client.add_schedule("hourly", "0 * * * *", archive, overlap="allow")
        make_due(mill, ago="60 hours")
        mills = [alive.enter_context(running_housekeep(tmp_path / f"housekeep-{number}.log")) for number in range(2)]
        wait_until(lambda: len(schedule.history()) == 2, timeout_s=90, why=mills[0].log)
        run, missed = schedule.history()
        assert (run.ticks, run.batch_id is not None) == (1, True)
        assert (missed.state, missed.reason, missed.batch_id) == ("skipped", "missed", None)
        assert missed.ticks in (59, 60, 61)
        for entries, killed in ((3, mills[0]), (4, None)):
            make_due(mill)
            wait_until(lambda entries=entries: len(schedule.history()) == entries, timeout_s=90, why=mills[1].log)
            if killed:
                killed.kill()
    assert rows(mill.database_url, "SELECT count(*), count(DISTINCT batch_id) FROM scans") == [(3, 3)]
