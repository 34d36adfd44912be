"""A real server with the OpenAI interface: `transformers serve` with the shapes model, over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.hf_layout import with_processor, written_by_transformers
from tests.workers import REPOSITORY, SHAPES_MODEL, wait_until


@dataclass(frozen=True)
class ModelServer:
    """Where it is, the name of its model, and where it logs to."""

    base_url: str
    model: str
    log_path: Path


@contextmanager
def shapes_server(directory: Path) -> Iterator[ModelServer]:
    """The shapes model, served by transformers with its own processor; gone at the end of the block."""
    model, log_path = directory / "shapes-hf", directory / "server.log"
    model.mkdir()
    with_processor(written_by_transformers(SHAPES_MODEL, model), SHAPES_MODEL)
    port = _free_port()
    command = [sys.executable, "-m", "tests.transformers_serve", str(model), "--port", str(port), "--host", "127.0.0.1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    (directory / "hub").mkdir()
    environment["HF_HUB_CACHE"] = str(directory / "hub")  # listed by /v1/models
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--dtype", "float32"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=REPOSITORY,
        )
    try:
        wait_until(lambda: _healthy(process, port, log_path), timeout_s=120, why=log_path.read_text)
        yield ModelServer(f"http://127.0.0.1:{port}/v1", str(model), log_path)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def _healthy(process: subprocess.Popen[bytes], port: int, log_path: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"the server died at its start:\n{log_path.read_text()}")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
