"""`reelmill worker`: pin the shard, then start Celery's worker in this process."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import structlog

from reelmill.schema import ReelmillError
from reelmill.settings import Settings
from worker.backends import load_backend
from worker.errors import WorkerConfigError
from worker.process import LoadBackend

log = structlog.get_logger(__name__)


def pin_gpus(gpus: str) -> None:
    """Show this process only those GPUs ("0,1"); torch reads the variable once, when it is imported.

    Raises:
        WorkerConfigError: torch is imported already, or the list is not one of numbers or GPU ids.
    """
    if "torch" in sys.modules:
        raise WorkerConfigError("torch was imported before the GPUs were pinned", subject="--gpus")
    names = [name.strip() for name in gpus.split(",")]
    if not all(name.isdigit() or name.startswith(("GPU-", "MIG-")) for name in names):
        raise WorkerConfigError(f"not a list of GPUs: {gpus!r}", subject="--gpus", next_step="Write it like 0,1")
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)
    # The numbers that `nvidia-smi` shows; CUDA's own order puts the fastest first.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


def run_worker(settings: Settings, load: LoadBackend = load_backend) -> None:
    """Serve until SIGTERM or Ctrl-C; returns after the drain.

    Raises:
        ReelmillError: why the worker cannot start.
        SystemExit: 70 when Celery gave up; the reason is logged.
    """
    from worker.factory import make_app

    # Until Celery has handlers of its own. Without one, the first process of a container would ignore the signal.
    signal.signal(signal.SIGTERM, _leave_before_ready)
    # Where Celery says that it shuts down; standard output belongs to what programs read.
    setattr(sys, "__stdout__", sys.stderr)  # noqa: B010 - typed as final
    app = make_app(settings, load)
    arguments = ["--quiet", "worker", "--without-gossip", "--without-mingle", "--loglevel", settings.log_level]
    try:
        app.worker_main(arguments)
    except SystemExit as left:
        if isinstance(left.__cause__, ReelmillError):
            raise left.__cause__ from None
        if left.code == 0:
            log.info("stopped before it was ready")
        raise


def _leave_before_ready(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
