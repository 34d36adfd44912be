"""Redis is only a bell: with none that answers, jobs are worked all the same, a little later."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from reelmill import Caption, Client
from reelmill.embedded import ServiceUrls
from tests.pictures import noise_png
from tests.services import S3Server
from tests.workers import running_worker

INSTANT = [sys.executable, "-m", "benchmarks.instant"]
"""A worker whose model answers at once."""


def test_jobs_are_worked_while_redis_hangs(mill: ServiceUrls, s3_server: S3Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        redis_url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        quick = {"housekeeping_s": "0.3", "redis_url": redis_url, "slot_s": "1"}
        with (
            running_worker(tmp_path / "worker.log", arguments=INSTANT, **quick) as worker,
            Client(mill.database_url, redis_url) as client,
        ):
            uris = [s3_server.put(f"silent/{n}.png", noise_png(n)) for n in range(6)]
            batch = client.submit_many({"media": uri, "tasks": [Caption()]} for uri in uris)
            assert batch.wait(timeout=60, progress=False).succeeded == len(uris), worker.log()
            assert worker.terminate() == 0, worker.log()
