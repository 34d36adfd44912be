"""A client, and the ledger's verbs that play the worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from reelmill import Client
from reelmill.embedded import ServiceUrls
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import fail, succeed
from tests.integration.ledger.helpers import LastingError, result

Work = Callable[[], int]


@pytest.fixture
def db(mill: ServiceUrls) -> Iterator[Database]:
    db = Database(mill.database_url)
    yield db
    db.close()


@pytest.fixture
def client(mill: ServiceUrls) -> Iterator[Client]:
    with Client() as client:
        yield client


@pytest.fixture
def work(db: Database) -> Work:
    """Works whatever is queued; media with `bad` in the name fail. Returns how many."""

    def work_all() -> int:
        worked = 0
        while (job := claim(db, "w1", "default", lease_s=60, in_flight=0)) is not None:
            if "bad" in job.media[0].uri:
                fail(db, job.lease, LastingError("cannot be read", subject=job.media[0].uri, next_step="Replace it"))
            else:
                succeed(db, job.lease, result())
            worked += 1
        return worked

    return work_all


@pytest.fixture
def worker(work: Work) -> Iterator[None]:
    """Works in the background, whatever is submitted."""
    ended = threading.Event()

    def loop() -> None:
        while not ended.wait(0.05):
            work()

    thread = threading.Thread(target=loop)
    thread.start()
    yield
    ended.set()
    thread.join(timeout=30)
