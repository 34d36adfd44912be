"""A mill of its own for a benchmark: embedded Postgres (durable, as in production) and Redis, gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from reelmill.embedded import ServiceUrls
from reelmill.ledger.migrate import upgrade
from reelmill.settings import settings
from tests.services import embedded_services


@contextmanager
def own_mill(**variables: str) -> Iterator[ServiceUrls]:
    """Migrated services; their addresses, and `variables` as REELMILL_…, are in the environment inside."""
    with embedded_services(durable=True) as urls:
        upgrade(urls.database_url)
        variables = {"database_url": urls.database_url, "redis_url": urls.redis_url, **variables}
        with environment({f"REELMILL_{name.upper()}": value for name, value in variables.items()}):
            yield urls


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Those variables in this process and its children, for the time of the block."""
    before = dict(os.environ)
    os.environ.update(values)
    settings.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        settings.cache_clear()


@contextmanager
def worker(module: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module` as a worker process, stopped by SIGTERM at the end."""
    process = subprocess.Popen([sys.executable, "-m", module], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


def seconds(started: float) -> float:
    return time.perf_counter() - started
