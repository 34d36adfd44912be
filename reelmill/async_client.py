"""The door for asyncio: the same verbs as Client, each awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, Unpack, overload
from uuid import UUID

from reelmill.archive.options import LineOptions, OpenAIOptions, PrefixOptions
from reelmill.archive.preview import PrefixPreview
from reelmill.archive.reading import Source
from reelmill.async_batch import AsyncBatch
from reelmill.async_job import AsyncJob
from reelmill.async_schedule import AsyncSchedule
from reelmill.batch import Batch
from reelmill.client import Client
from reelmill.ledger.forget import ForgetReport
from reelmill.ledger.purge import PurgeReport
from reelmill.ledger.search import Kind, SearchHit
from reelmill.ledger.workers import WorkerView
from reelmill.retention import Age
from reelmill.schema import DEFAULT_MODEL, Generation, JobSpec, JobState, PrefixSpec, Sampling, Task
from reelmill.schema.export import ExportFormat
from reelmill.schema.schedule import CatchUp, Overlap
from reelmill.uris import MediaReference


class AsyncClient:
    """Submits jobs and reads their results without blocking the event loop: a Client whose calls run in threads.

        async with AsyncClient() as client:
            batch = await client.submit_many(specs)
            await batch.wait()
            async for result in batch.results():
                print(result.captions[0].text)

    What a property of Client, Job or Batch tells is a method here, because it asks the database. A call that is
    cancelled may still have happened: submit with a `client_token` where that matters. Runs on asyncio only.

    Args:
        database_url, redis_url: as for Client.

    Raises:
        DatabaseUnavailableError, SchemaOutOfDateError, SettingsError: as Client, when entered or first used.
    """

    def __init__(self, database_url: str | None = None, redis_url: str | None = None) -> None:
        self._urls = (database_url, redis_url)
        self._opening = asyncio.Lock()
        self._opened: Client | None = None

    async def submit(
        self,
        media: MediaReference | Sequence[MediaReference],
        *,
        tasks: Task | Sequence[Task | Mapping[str, Any]],
        sampling: Sampling | Mapping[str, Any] | None = None,
        generation: Generation | Mapping[str, Any] | None = None,
        model: str = DEFAULT_MODEL,
        priority: int = 0,
        client_token: str | None = None,
        labels: Mapping[str, str] | None = None,
        max_attempts: int = 5,
    ) -> AsyncJob:
        """As `Client.submit`."""
        client = await self._client()
        job = await asyncio.to_thread(
            client.submit,
            media,
            tasks=tasks,
            sampling=sampling,
            generation=generation,
            model=model,
            priority=priority,
            client_token=client_token,
            labels=labels,
            max_attempts=max_attempts,
        )
        return AsyncJob(job)

    async def submit_many(
        self,
        specs: Iterable[JobSpec | Mapping[str, Any]],
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        export_to: str | None = None,
        export_format: ExportFormat = "parquet",
    ) -> AsyncBatch:
        """As `Client.submit_many`; `specs` is iterated in another thread."""
        client = await self._client()
        batch = await asyncio.to_thread(
            client.submit_many, specs, name=name, labels=labels, export_to=export_to, export_format=export_format
        )
        return AsyncBatch(batch)

    @overload
    async def submit_prefix(
        self, prefix: str, *, name: str | None = ..., dry_run: Literal[False] = ..., **options: Unpack[PrefixOptions]
    ) -> AsyncBatch: ...

    @overload
    async def submit_prefix(
        self, prefix: str, *, name: str | None = ..., dry_run: Literal[True], **options: Unpack[PrefixOptions]
    ) -> PrefixPreview: ...

    async def submit_prefix(
        self, prefix: str, *, name: str | None = None, dry_run: bool = False, **options: Unpack[PrefixOptions]
    ) -> AsyncBatch | PrefixPreview:
        """As `Client.submit_prefix`."""
        client = await self._client()
        if dry_run:
            return await asyncio.to_thread(lambda: client.submit_prefix(prefix, dry_run=True, **options))
        return AsyncBatch(await asyncio.to_thread(lambda: client.submit_prefix(prefix, name=name, **options)))

    async def submit_manifest(
        self, source: Source, *, name: str | None = None, strict: bool = False, **options: Unpack[LineOptions]
    ) -> AsyncBatch:
        """As `Client.submit_manifest`."""
        client = await self._client()
        submit = client.submit_manifest
        return AsyncBatch(await asyncio.to_thread(lambda: submit(source, name=name, strict=strict, **options)))

    async def submit_openai_batch(
        self, source: Source, *, name: str | None = None, strict: bool = False, **options: Unpack[OpenAIOptions]
    ) -> AsyncBatch:
        """As `Client.submit_openai_batch`."""
        client = await self._client()
        submit = client.submit_openai_batch
        return AsyncBatch(await asyncio.to_thread(lambda: submit(source, name=name, strict=strict, **options)))

    async def job(self, job_id: UUID | str) -> AsyncJob:
        """As `Client.job`. Raises NotFoundError."""
        client = await self._client()
        return AsyncJob(await asyncio.to_thread(client.job, job_id))

    async def batch(self, batch_id: UUID | str) -> AsyncBatch:
        """As `Client.batch`. Raises NotFoundError."""
        client = await self._client()
        return AsyncBatch(await asyncio.to_thread(client.batch, batch_id))

    async def batches(self, limit: int = 20) -> tuple[AsyncBatch, ...]:
        """As `Client.batches`."""
        client = await self._client()
        return tuple(AsyncBatch(batch) for batch in await asyncio.to_thread(client.batches, limit))

    async def add_schedule(
        self,
        name: str,
        cron: str,
        archive: PrefixSpec | Mapping[str, Any],
        *,
        timezone: str = "UTC",
        overlap: Overlap | str = Overlap.SKIP,
        catch_up: CatchUp | str = CatchUp.LATEST,
        webhook: str | None = None,
        export_to: str | None = None,
        export_format: ExportFormat = "parquet",
        replace: bool = False,
    ) -> AsyncSchedule:
        """As `Client.add_schedule`."""
        client = await self._client()
        schedule = await asyncio.to_thread(
            client.add_schedule,
            name,
            cron,
            archive,
            timezone=timezone,
            overlap=overlap,
            catch_up=catch_up,
            webhook=webhook,
            export_to=export_to,
            export_format=export_format,
            replace=replace,
        )
        return AsyncSchedule(schedule)

    async def schedule(self, name: str) -> AsyncSchedule:
        """As `Client.schedule`. Raises NotFoundError."""
        client = await self._client()
        return AsyncSchedule(await asyncio.to_thread(client.schedule, name))

    async def schedules(self) -> tuple[AsyncSchedule, ...]:
        """As `Client.schedules`."""
        client = await self._client()
        return tuple(AsyncSchedule(schedule) for schedule in await asyncio.to_thread(client.schedules))

    async def workers(self) -> tuple[WorkerView, ...]:
        """As `Client.workers`."""
        client = await self._client()
        return await asyncio.to_thread(client.workers)

    async def search(
        self,
        query: str,
        *,
        kind: Kind | None = None,
        batch: Batch | UUID | str | None = None,
        prefix: str = "",
        limit: int = 20,
    ) -> AsyncIterator[SearchHit]:
        """As `Client.search`: `async for hit in client.search("red panda")`."""
        client = await self._client()
        hits = await asyncio.to_thread(client.search, query, kind=kind, batch=batch, prefix=prefix, limit=limit)
        for hit in hits:
            yield hit

    async def purge(
        self,
        older_than: Age,
        *,
        states: Sequence[JobState | str] = (),
        batch: AsyncBatch | Batch | UUID | str | None = None,
        uris: Sequence[MediaReference] = (),
        prefix: str = "",
        dry_run: bool = False,
    ) -> PurgeReport:
        """As `Client.purge`."""
        client = await self._client()
        which = batch.id if isinstance(batch, AsyncBatch) else batch
        return await asyncio.to_thread(
            client.purge, older_than, states=states, batch=which, uris=uris, prefix=prefix, dry_run=dry_run
        )

    async def forget(
        self,
        *uris: MediaReference,
        prefix: str = "",
        batch: AsyncBatch | Batch | UUID | str | None = None,
        dry_run: bool = False,
    ) -> ForgetReport:
        """As `Client.forget`."""
        client = await self._client()
        which = batch.id if isinstance(batch, AsyncBatch) else batch
        return await asyncio.to_thread(client.forget, *uris, prefix=prefix, batch=which, dry_run=dry_run)

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close)

    async def __aenter__(self) -> Self:
        await self._client()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _client(self) -> Client:
        async with self._opening:
            if self._opened is None:
                self._opened = await asyncio.to_thread(Client, *self._urls)
            return self._opened
