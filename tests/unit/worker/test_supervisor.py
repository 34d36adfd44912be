"""The supervisor on real processes; only what they run is made up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workers import REPOSITORY, wait_until
from worker.replica import Replica, RestartPolicy
from worker.supervisor import worker_replicas

POLICY = RestartPolicy(first_delay_s=1.0, longest_delay_s=4.0, steady_after_s=60.0, refusals=3)

# Each argument is a shell command to keep running.
SUPERVISE = """
import os, sys
from reelmill.cli.output import write_reelmill_error
from reelmill.schema import ReelmillError
from reelmill.settings import Settings
from worker.replica import Replica, RestartPolicy
from worker.supervisor import Supervisor
policy = RestartPolicy(first_delay_s=0.01, longest_delay_s=0.05)
replicas = [Replica(str(i), ["sh", "-c", c], os.environ, policy) for i, c in enumerate(sys.argv[1:])]
try:
    Supervisor(Settings(heartbeat_s=0.2, lease_s=3), replicas).run()
except ReelmillError as error:
    write_reelmill_error(error, as_json=True)
    sys.exit(1)
"""
GENTLE = "trap 'echo drained >> {0}; exit 0' TERM; echo $$ >> {0}.pids; while :; do sleep 0.05; done"
STUBBORN = "trap 'echo heard >> {0}' TERM; echo $$ >> {0}.pids; while :; do sleep 0.05; done"

# Keeps its record fresh, as a worker does.
BEATING = """
import sys, os, time
from reelmill.settings import Settings
from worker.pulse import Pulse
pulse = Pulse(Settings(lease_s=3)).start()
open(sys.argv[1] + ".pids", "a").write(f"{os.getpid()}\\n")
while True:
    pulse.beat()
    time.sleep(0.2)
"""

Supervise = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Starts a supervisor over these shell commands; nothing of it is left at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(*commands: str) -> subprocess.Popen[str]:
        environment = os.environ | {"REELMILL_HEALTH_DIR": str(tmp_path / "health")}
        arguments = [sys.executable, "-c", SUPERVISE, *commands]
        process = subprocess.Popen(
            arguments, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=10)
    for pids in tmp_path.glob("*.pids"):
        for pid in pids.read_text().split():
            if _runs(pid):
                os.killpg(int(pid), signal.SIGKILL)


def replica(status: int = 3, policy: RestartPolicy = POLICY) -> Replica:
    return Replica("0", ["sh", "-c", f"exit {status}"], os.environ, policy)


def ends(subject: Replica, now: float) -> None:
    wait_until(lambda: subject.see_whether_it_ended(now), timeout_s=20)


def test_each_end_in_a_row_doubles_the_wait_up_to_a_bound() -> None:
    subject, now, waits = replica(), 100.0, []
    for _ in range(5):
        subject.start_if_due(now)
        ends(subject, now)
        waits.append(subject.due_at - now)
        subject.start_if_due(subject.due_at - 0.01)
        assert not subject.running
        now = subject.due_at
    assert waits == [1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_process_that_lived_a_while_starts_again_soon() -> None:
    subject, now = replica(), 100.0
    for lived_s in (0.0, 0.0, 61.0):
        subject.start_if_due(now)
        now += lived_s
        ends(subject, now)
        wait_s, now = subject.due_at - now, subject.due_at
    assert wait_s == 1.0


@pytest.mark.parametrize(("statuses", "hopeless"), [((1, 1, 1), True), ((1, 2), False), ((3, 3, 3, 3), False)])
def test_only_refusals_in_a_row_are_hopeless(statuses: tuple[int, ...], hopeless: bool, tmp_path: Path) -> None:
    (tmp_path / "statuses").write_text("\n".join(map(str, statuses)) + "\n")
    take_one = f"cd {tmp_path}; status=$(head -1 statuses); sed -i 1d statuses; exit $status"
    subject, now = Replica("0", ["sh", "-c", take_one], os.environ, POLICY), 0.0
    for _ in statuses:
        subject.start_if_due(now)
        ends(subject, now)
        now = subject.due_at
    assert subject.hopeless is hopeless


def test_what_ends_starts_again_and_its_neighbour_is_left_alone(supervise: Supervise, tmp_path: Path) -> None:
    supervise(GENTLE.format(tmp_path / "a"), GENTLE.format(tmp_path / "b"))
    wait_until(lambda: len(_pids(tmp_path, "a")) == len(_pids(tmp_path, "b")) == 1)
    os.kill(int(_pids(tmp_path, "a")[0]), signal.SIGKILL)
    wait_until(lambda: len(_pids(tmp_path, "a")) == 2)
    assert len(_pids(tmp_path, "b")) == 1


@pytest.mark.parametrize("received", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_all_processes(supervise: Supervise, tmp_path: Path, received: signal.Signals) -> None:
    process = supervise(GENTLE.format(tmp_path / "a"), GENTLE.format(tmp_path / "b"))
    wait_until(lambda: len(_pids(tmp_path, "a")) == len(_pids(tmp_path, "b")) == 1)
    process.send_signal(received)
    assert process.wait(timeout=20) == 0
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "drained\n"
    assert not any(map(_runs, _pids(tmp_path, "a") + _pids(tmp_path, "b")))


def test_a_second_signal_kills_what_does_not_drain(supervise: Supervise, tmp_path: Path) -> None:
    process = supervise(STUBBORN.format(tmp_path / "a"))
    wait_until(lambda: len(_pids(tmp_path, "a")) == 1)
    process.terminate()
    wait_until((tmp_path / "a").exists)
    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    assert not any(map(_runs, _pids(tmp_path, "a")))


def test_a_process_that_hangs_is_killed_and_starts_again_and_its_silent_but_recordless_neighbour_is_left_alone(
    supervise: Supervise, tmp_path: Path
) -> None:
    beating = f"exec {sys.executable} -c '{BEATING}' {tmp_path / 'a'}"
    supervise(beating, GENTLE.format(tmp_path / "b"))
    wait_until(lambda: len(_pids(tmp_path, "a")) == len(_pids(tmp_path, "b")) == 1)
    os.kill(int(_pids(tmp_path, "a")[0]), signal.SIGSTOP)
    wait_until(lambda: len(_pids(tmp_path, "a")) == 2, timeout_s=60)
    assert not _runs(_pids(tmp_path, "a")[0])
    assert len(_pids(tmp_path, "b")) == 1


def test_when_the_supervisor_itself_is_killed_its_processes_drain(supervise: Supervise, tmp_path: Path) -> None:
    process = supervise(GENTLE.format(tmp_path / "a"))
    wait_until(lambda: len(_pids(tmp_path, "a")) == 1)
    process.kill()
    wait_until(lambda: (tmp_path / "a").exists() and (tmp_path / "a").read_text() == "drained\n")


def test_a_process_that_refuses_to_start_ends_the_others_too_and_is_named(supervise: Supervise, tmp_path: Path) -> None:
    process = supervise(GENTLE.format(tmp_path / "a"), f"echo try >> {tmp_path}/tries; exit 1")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "replica 1" in output
    assert (tmp_path / "tries").read_text() == "try\n" * 3
    assert not any(map(_runs, _pids(tmp_path, "a")))


def test_each_process_is_the_ordinary_worker_pinned_to_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    first, second = worker_replicas(["0,1", "2,3"], as_json=True)
    assert first._command[1:] == ("-m", "reelmill", "worker", "--gpus", "0,1", "--json")
    assert second._command[-2] == "2,3"
    assert second._environment["OMP_NUM_THREADS"] == "5"
    assert second._environment["REELMILL_DEVICE"] == "cuda:0,cuda:1"
    monkeypatch.delenv("OMP_NUM_THREADS")
    (plain, *_) = worker_replicas([None] * 1000, as_json=False)
    assert plain._command[1:] == ("-m", "reelmill", "worker")
    assert plain._environment["OMP_NUM_THREADS"] == "1"
    (one,) = worker_replicas(["3"], as_json=False)
    assert not {"REELMILL_DEVICE"} & (plain._environment.keys() | one._environment.keys())


def _pids(directory: Path, name: str) -> list[str]:
    path = directory / f"{name}.pids"
    return path.read_text().split() if path.exists() else []


def _runs(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()
