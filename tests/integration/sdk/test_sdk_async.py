"""The asyncio client: the same verbs, and an event loop that is never blocked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from reelmill import (
    Ask,
    AsyncClient,
    BatchState,
    Caption,
    DatabaseUnavailableError,
    JobState,
    NoResultsError,
    NotFoundError,
    WaitTimeoutError,
)
from reelmill.embedded import ServiceUrls
from reelmill.ledger.database import Database
from tests.integration.sdk.conftest import Work


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(body)


@pytest.mark.usefixtures("mill", "worker")
def test_submit_wait_and_read() -> None:
    async def body() -> None:
        async with AsyncClient() as client:
            job = await client.submit("s3://archive/cat.jpg", tasks=[Caption(), Ask("What?")], labels={"k": "v"})
            assert await job.wait(timeout=20) is JobState.SUCCEEDED
            found = await job.results()
            assert (found.captions[0].text, found.labels) == ("a cat", {"k": "v"})
            assert (await job.status()).media == ("s3://archive/cat.jpg",)
            assert [attempt.outcome for attempt in await job.attempts()] == ["succeeded"]
            assert (await job.errors(), await job.cancel(), await job.retry()) == ((), False, False)
            assert (await client.job(job.id)).id == job.id

    run(body())


@pytest.mark.usefixtures("mill", "worker")
def test_a_batch_streams_and_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelmill.async_batch.PAGE", 3)

    async def body() -> None:
        async with AsyncClient() as client:
            specs = ({"media": f"s3://archive/{'bad' if n == 4 else n}", "tasks": [Caption()]} for n in range(8))
            batch = await client.submit_many(specs, name="n")
            counts = await batch.wait(timeout=20, progress=False)
            assert (counts.completed, counts.failed) == (7, 1)
            assert [result.media[0].uri[-1] async for result in batch.results()] == list("0123567")
            assert [error.error_code async for error in batch.errors()] == ["lasting"]
            assert await batch.export(tmp_path / "a.jsonl") == 7
            assert await batch.to_csv(tmp_path / "a.csv") == await batch.to_parquet(tmp_path / "a.parquet") == 56
            assert len(await batch.to_pandas()) == 56
            assert (await batch.info()).name == "n"
            assert await batch.finished_at() is not None
            assert await batch.state() is BatchState.COMPLETED
            assert (await batch.retry_failed(), await batch.cancel()) in ((1, 1), (1, 0))
            assert [found.id for found in await client.batches()] == [(await client.batch(batch.id)).id]

    run(body())


@pytest.mark.usefixtures("mill")
def test_errors_are_those_of_the_blocking_client() -> None:
    async def body() -> None:
        async with AsyncClient() as client:
            job = await client.submit("s3://archive/a", tasks=Caption())
            with pytest.raises(WaitTimeoutError, match="no worker is alive"):
                await job.wait(timeout=0.1)
            with pytest.raises(NoResultsError):
                await job.results()
            with pytest.raises(NotFoundError):
                await client.batch("nonsense")
            assert await client.workers() == ()

    run(body())


def test_a_database_that_is_nowhere_is_told_when_it_is_needed() -> None:
    async def body() -> None:
        client = AsyncClient("postgresql://nobody@127.0.0.1:1/none")
        with pytest.raises(DatabaseUnavailableError):
            await client.submit("s3://archive/a", tasks=Caption())
        await client.close()

    run(body())


def test_many_wait_at_once_while_the_loop_goes_on(mill: ServiceUrls, work: Work) -> None:
    """More than the event loop has threads."""

    async def body() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        async with AsyncClient() as client:
            ticking = asyncio.create_task(tick())
            jobs = [await client.submit(f"s3://archive/{n}", tasks=Caption()) for n in range(60)]
            waits = [asyncio.create_task(job.wait(timeout=60)) for job in jobs]
            await asyncio.sleep(0.3)
            before = ticks
            assert await asyncio.to_thread(work) == 60
            assert set(await asyncio.gather(*waits)) == {JobState.SUCCEEDED}
            assert ticks > before + 5
            ticking.cancel()

    run(body())


def test_a_wait_that_is_cancelled_stops_looking(mill: ServiceUrls, db: Database) -> None:
    async def body() -> None:
        async with AsyncClient() as client:
            job = await client.submit("s3://archive/a", tasks=Caption())
            waiting = asyncio.create_task(job.wait())
            await asyncio.sleep(0.2)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await job.state() is JobState.QUEUED

    run(body())
    # asyncio.run has joined its threads: one that went on looking would have kept it.
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("asyncio")] == []
