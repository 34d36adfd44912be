"""Which options start one process, which a supervisor; nothing heavy is loaded to decide it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.workers import REPOSITORY

HEAVY = {"torch", "transformers", "celery", "sqlalchemy", "psycopg", "redis", "numpy"}

# The command line with the two ends replaced that would start something.
RUN = """
import os, sys
import worker.supervisor
if not {"--gpus-per-shard", "--replicas"} & set(sys.argv):
    import worker.lifecycle
    worker.lifecycle.run_worker = lambda settings: print("one", os.environ.get("CUDA_VISIBLE_DEVICES"))
class Supervisor:
    def __init__(self, settings, replicas): self.replicas = replicas
    def run(self): print("many", *(list(r._command[4:]) for r in self.replicas))
worker.supervisor.Supervisor = Supervisor
sys.argv = ["reelmill", "worker", *sys.argv[1:]]
from reelmill.cli import main
main()
"""


def run(*options: str, gpus: str = "4,5,6,7", code: str = RUN) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": gpus}
    command = [sys.executable, "-c", code, *options]
    return subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "one 4,5,6,7"),
        (("--gpus", "all"), "one 4,5,6,7"),
        (("--gpus", "1"), "one 1"),
        (("--gpus", "all", "--gpus-per-shard", "2"), "many ['--gpus', '4,5'] ['--gpus', '6,7']"),
        (("--gpus-per-shard", "4"), "many ['--gpus', '4,5,6,7']"),
        (("--gpus", "0,1", "--gpus-per-shard", "1"), "many ['--gpus', '0'] ['--gpus', '1']"),
        (("--replicas", "2"), "many [] []"),
    ],
)
def test_a_supervisor_is_for_those_who_ask_for_shards_or_replicas(options: tuple[str, ...], said: str) -> None:
    assert run(*options).stdout == said + "\n"


def test_how_the_model_is_loaded_reaches_the_process_that_loads_it() -> None:
    code = RUN.replace('"one", os.environ.get("CUDA_VISIBLE_DEVICES")', "settings.quantization, settings.past_window")
    assert run("--quantization", "int8", "--past-window", code=code).stdout == "int8 True\n"
    assert run(code=code).stdout == "none False\n"
    assert run("--quantization", "int3").returncode == 2


def test_gpus_that_cannot_be_shared_out_are_refused_before_anything_starts() -> None:
    refused = run("--gpus", "all", "--gpus-per-shard", "3")
    assert refused.returncode == 1
    assert "--gpus 4,5,6" in refused.stderr
    assert run("--gpus-per-shard", "1", "--replicas", "2").returncode == 2


def test_the_supervisor_and_the_health_check_load_nothing_heavy() -> None:
    code = "import sys, worker.supervisor, worker.gpus, worker.checkup; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert not HEAVY & set(loaded.stdout.split())
