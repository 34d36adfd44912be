"""Several worker processes as one: each pinned to its GPUs, started again when it ends, drained together."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from reelmill.settings import PREFIX, Settings
from worker.checkup import silent_since
from worker.errors import WorkerConfigError
from worker.pulse import Pulse
from worker.replica import Replica, RestartPolicy

log = structlog.get_logger(__name__)
LEAVE = (signal.SIGTERM, signal.SIGINT)
HELD_SIGNALS = (*LEAVE, signal.SIGCHLD)
METRICS_PORT = f"{PREFIX}METRICS_PORT"
SHORTEST_SLEEP_S = 0.01


class Supervisor:
    """Keeps its replicas running until SIGTERM or Ctrl-C, then drains them; a second signal kills.

    A replica that hangs is killed and starts again: by then the ledger has given its jobs to others. One thread and no
    CUDA: what it does between signals is wait.
    """

    def __init__(self, settings: Settings, replicas: Sequence[Replica]) -> None:
        self._replicas = tuple(replicas)
        self._every_s = settings.heartbeat_s
        self._pulse = Pulse(settings, role="supervisor", replicas=len(self._replicas))
        self._settings = settings
        self._awake_since = self._looked_at = time.monotonic()
        self._leaving = False
        self._cut_short: signal.Signals | None = None
        self._hopeless: Replica | None = None

    def run(self) -> None:
        """Returns after the drain.

        Raises:
            WorkerConfigError: a process refused to start again and again; the others were drained.
            SystemExit: 128 + the number of a second signal, as shells say it of the killed.
        """
        with _held_signals():
            self._pulse.start().become("ready")
            try:
                while not self._leaving or any(replica.running for replica in self._replicas):
                    self._step()
            finally:
                self._pulse.stop()
        if self._hopeless is not None:
            raise WorkerConfigError(
                "its process refused to start again and again; it has said why above",
                subject=f"replica {self._hopeless.name}",
                next_step="Correct that and start the worker again",
            )
        if self._cut_short is not None:
            raise SystemExit(128 + self._cut_short)

    def _step(self) -> None:
        if not self._leaving:
            for replica in self._replicas:
                replica.start_if_due(time.monotonic())
        received = signal.sigtimedwait(HELD_SIGNALS, self._sleep_s())
        if received is not None and received.si_signo in LEAVE:
            self._obey(signal.Signals(received.si_signo))
        for replica in self._replicas:
            if replica.see_whether_it_ended(time.monotonic()) and replica.hopeless and not self._leaving:
                self._hopeless = replica
                self._leave(f"replica {replica.name} cannot start")
        self._pulse.beat()
        self._kill_what_hangs(time.monotonic())

    def _kill_what_hangs(self, now: float) -> None:
        if now - self._looked_at > self._settings.lease_s / 2:
            # We were frozen ourselves, and the replicas with us perhaps: they get their time to say something.
            self._awake_since = now
        self._looked_at = now
        for replica in self._replicas:
            since = silent_since(self._settings, replica.pid) if replica.pid else None
            silent_s = now - max(since, self._awake_since) if since is not None else 0.0
            if silent_s > self._settings.lease_s:
                log.error(
                    "killing a process that hangs", replica=replica.name, pid=replica.pid, silent_s=round(silent_s)
                )
                replica.kill()

    def _obey(self, received: signal.Signals) -> None:
        if not self._leaving:
            self._leave(received.name)
            return
        log.warning("killing what still runs", reason=received.name)
        self._cut_short = received
        for replica in self._replicas:
            replica.kill()

    def _leave(self, reason: str) -> None:
        log.info("draining all processes", reason=reason)
        self._leaving = True
        self._pulse.become("draining")
        for replica in self._replicas:
            replica.terminate()

    def _sleep_s(self) -> float:
        waiting = [replica.due_at for replica in self._replicas if not replica.running]
        until_due_s = min(waiting, default=float("inf")) - time.monotonic()
        return max(SHORTEST_SLEEP_S, self._every_s if self._leaving else min(self._every_s, until_due_s))


def worker_replicas(
    gpu_lists: Sequence[str | None], *, as_json: bool, policy: RestartPolicy | None = None
) -> list[Replica]:
    """One replica per GPU list, each the ordinary `reelmill worker` with the settings of this environment."""
    environment = _environment(os.environ, len(gpu_lists))
    return [
        Replica(
            _name(index, gpus),
            _command(gpus, as_json=as_json),
            {**_spread_over(gpus), **_with_own_port(environment, index)},
            policy or RestartPolicy(),
        )
        for index, gpus in enumerate(gpu_lists)
    ]


def _command(gpus: str | None, *, as_json: bool) -> list[str]:
    command = [sys.executable, "-m", "reelmill", "worker"]
    if gpus is not None:
        command += ["--gpus", gpus]
    return [*command, "--json"] if as_json else command


def _spread_over(gpus: str | None) -> dict[str, str]:
    """A shard of several GPUs is to use them all: left to itself, a process takes as few as hold the model."""
    count = 0 if gpus is None else len(gpus.split(","))
    devices = ",".join(f"cuda:{index}" for index in range(count))
    return {f"{PREFIX}DEVICE": devices} if count > 1 else {}


def _name(index: int, gpus: str | None) -> str:
    return str(index) if gpus is None else f"{index} (GPUs {gpus})"


def _with_own_port(environment: Mapping[str, str], index: int) -> dict[str, str]:
    """Metrics of each replica are served beside each other's."""
    first = environment.get(METRICS_PORT)
    return {**environment, METRICS_PORT: str(int(first) + index)} if first else dict(environment)


def _environment(inherited: Mapping[str, str], replicas: int) -> dict[str, str]:
    """Replicas share the cores: each on its own would start a thread on every one of them."""
    cores = len(os.sched_getaffinity(0))
    return {"OMP_NUM_THREADS": str(max(1, cores // replicas)), **inherited}


@contextmanager
def _held_signals() -> Iterator[None]:
    """Signals wait for the loop to fetch them: none interrupts it, none is missed between two looks."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
