"""A Redis without room refuses all that Celery notes about a message; workers wait for room, and do not leave."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from redis import Redis

from reelmill import Caption, Client
from reelmill.embedded import ServiceUrls
from tests.pictures import noise_png
from tests.services import S3Server
from tests.workers import running_worker, wait_until


def test_a_worker_outlives_a_full_redis_and_works_when_there_is_room(
    mill: ServiceUrls, s3_server: S3Server, tmp_path: Path
) -> None:
    with (
        running_worker(tmp_path / "worker.log", housekeeping_s="0.5") as worker,
        Redis.from_url(mill.redis_url) as redis,
    ):
        # Frozen, so that the bell still hangs when there is no room any more: taking it is what has to be noted.
        os.kill(worker.process.pid, signal.SIGSTOP)
        job = Client().submit(s3_server.put("full/a.png", noise_png(1)), tasks=[Caption()])
        try:
            redis.config_set("maxmemory", "1")
            os.kill(worker.process.pid, signal.SIGCONT)
            wait_until(lambda: "OutOfMemoryError" in worker.log() or "maxmemory" in worker.log(), why=worker.log)
            assert worker.process.poll() is None, worker.log()
        finally:
            redis.config_set("maxmemory", "0")
        job.wait(timeout=90)
        assert job.status.state == "succeeded", worker.log()
        assert worker.terminate() == 0
