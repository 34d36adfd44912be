"""Jobs submitted together, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from reelmill.batch import Batch
from reelmill.export import FilePath
from reelmill.job_results import JobResults
from reelmill.ledger.exports import ExportView
from reelmill.ledger.imports import ImportedLine
from reelmill.ledger.notifications import NotificationView
from reelmill.ledger.scans import ScanView
from reelmill.ledger.stages import BatchStages
from reelmill.ledger.views import BatchState, BatchStatus, BatchView, JobError
from reelmill.schema.export import ExportFormat
from reelmill.waiting import wait_until_async

if TYPE_CHECKING:
    import pandas as pd

PAGE = 200
"""Taken from the thread at a time: what the ledger reads at a time."""

T = TypeVar("T")


class AsyncBatch:
    """As Batch, each verb awaited and each property a method; errors are the same."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    @property
    def id(self) -> UUID:
        """Rises with the time of submission."""
        return self._batch.id

    async def state(self) -> BatchState:
        """One word: in_progress, cancelling, completed or cancelled."""
        return await asyncio.to_thread(lambda: self._batch.state)

    async def status(self) -> BatchStatus:
        """How many jobs are in which state."""
        return await asyncio.to_thread(lambda: self._batch.status)

    async def request_counts(self) -> BatchStatus:
        """The same as `status`, under OpenAI's name."""
        return await self.status()

    async def scan(self) -> ScanView | None:
        """As `Batch.scan`."""
        return await asyncio.to_thread(lambda: self._batch.scan)

    async def info(self) -> BatchView:
        """Id, name, labels and `created_at`, as it was submitted."""
        return await asyncio.to_thread(lambda: self._batch.info)

    async def finished_at(self) -> datetime | None:
        """When the last job reached its end; None before."""
        return await asyncio.to_thread(lambda: self._batch.finished_at)

    async def stages(self) -> BatchStages:
        """Where the time went so far, and what kept the GPU waiting."""
        return await asyncio.to_thread(lambda: self._batch.stages)

    async def wait(self, timeout: float | None = None, progress: bool = True) -> BatchStatus:
        """As `Batch.wait`. A thousand may wait at once: no thread is held between two looks."""
        with self._batch._watched(progress) as watch:
            return await wait_until_async(watch, timeout_s=timeout)

    def results(self) -> AsyncIterator[JobResults]:
        """As `Batch.results`: `async for result in batch.results()`."""
        return _stream(self._batch.results())

    def errors(self) -> AsyncIterator[JobError]:
        """As `Batch.errors`: `async for error in batch.errors()`."""
        return _stream(self._batch.errors())

    async def notify(self, url: str) -> UUID:
        """As `Batch.notify`."""
        return await asyncio.to_thread(self._batch.notify, url)

    async def notifications(self) -> tuple[NotificationView, ...]:
        """As `Batch.notifications`."""
        return await asyncio.to_thread(self._batch.notifications)

    async def export_to(self, prefix: str, export_format: ExportFormat = "parquet") -> UUID:
        """As `Batch.export_to`."""
        return await asyncio.to_thread(self._batch.export_to, prefix, export_format)

    async def exports(self) -> tuple[ExportView, ...]:
        """As `Batch.exports`."""
        return await asyncio.to_thread(self._batch.exports)

    async def cancel(self) -> int:
        """As `Batch.cancel`."""
        return await asyncio.to_thread(self._batch.cancel)

    async def retry_failed(self) -> int:
        """As `Batch.retry_failed`."""
        return await asyncio.to_thread(self._batch.retry_failed)

    async def line_problems(self) -> tuple[ImportedLine, ...]:
        """As `Batch.line_problems`."""
        return await asyncio.to_thread(self._batch.line_problems)

    async def to_openai(self, path: FilePath, errors: FilePath | None = None) -> int:
        """As `Batch.to_openai`."""
        return await asyncio.to_thread(self._batch.to_openai, path, errors)

    async def export(self, path: FilePath) -> int:
        """As `Batch.export`."""
        return await asyncio.to_thread(self._batch.export, path)

    async def to_jsonl(self, path: FilePath) -> int:
        """As `Batch.to_jsonl`."""
        return await asyncio.to_thread(self._batch.to_jsonl, path)

    async def to_csv(self, path: FilePath) -> int:
        """As `Batch.to_csv`."""
        return await asyncio.to_thread(self._batch.to_csv, path)

    async def to_parquet(self, path: FilePath) -> int:
        """As `Batch.to_parquet`."""
        return await asyncio.to_thread(self._batch.to_parquet, path)

    async def to_pandas(self) -> pd.DataFrame:
        """As `Batch.to_pandas`."""
        return await asyncio.to_thread(self._batch.to_pandas)

    def __repr__(self) -> str:
        return f"AsyncBatch({str(self.id)!r})"


async def _stream(items: Iterator[T]) -> AsyncIterator[T]:
    """A page at a time: a thread for each item would cost more than the item."""
    while page := await asyncio.to_thread(lambda: list(islice(items, PAGE))):
        for item in page:
            yield item
