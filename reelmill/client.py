"""The door for Python: submit media, wait, read results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, Unpack, overload
from uuid import UUID

from reelmill.archive.importing import LinesFile
from reelmill.archive.listing import open_listing
from reelmill.archive.options import LineOptions, OpenAIOptions, PrefixOptions
from reelmill.archive.preview import PrefixPreview, preview_prefix
from reelmill.archive.reading import Source
from reelmill.batch import Batch
from reelmill.bells import Bells
from reelmill.errors import NotFoundError, SpecError
from reelmill.job import Job
from reelmill.ledger import views
from reelmill.ledger.database import Database
from reelmill.ledger.forget import ForgetReport
from reelmill.ledger.purge import PurgeReport
from reelmill.ledger.scans import start_scan
from reelmill.ledger.schedules import add_schedule, list_schedules, schedule_view
from reelmill.ledger.search import KINDS, RANKED, Kind, SearchHit, search
from reelmill.ledger.submit import NewBatch, submit_jobs
from reelmill.ledger.workers import WorkerView, list_workers
from reelmill.mill import Mill
from reelmill.retention import Age, forget, objects_of, purge_jobs, purge_spec
from reelmill.schedule import Schedule
from reelmill.schema import DEFAULT_MODEL, Generation, JobSpec, JobState, PrefixSpec, Sampling, Task
from reelmill.schema.export import ExportFormat, ExportSpec
from reelmill.schema.schedule import CatchUp, Overlap
from reelmill.settings import settings
from reelmill.specs import checked_specs, export_spec, job_spec, prefix_spec, schedule_spec, without_export
from reelmill.uris import MediaReference
from reelmill.urls import find_urls


class Client:
    """Submits jobs and reads their results. Threads may share it.

        client = Client()
        job = client.submit("s3://archive/cat.jpg", tasks=[Caption(), Ask("How many cats?")])
        job.wait()
        print(job.results().captions[0].text)

    Args:
        database_url: postgresql://…; REELMILL_DATABASE_URL by default, else the embedded one of `reelmill up`.
        redis_url: redis://…; likewise. Without one, jobs wait for the workers' own rounds of a few seconds.

    Raises:
        DatabaseUnavailableError: no database is named and none is embedded, or it does not answer.
        SchemaOutOfDateError: `reelmill migrate` has not run.
        SettingsError: a REELMILL_ variable or the URL is wrong.
    """

    def __init__(self, database_url: str | None = None, redis_url: str | None = None) -> None:
        database_url, redis_url = find_urls(settings(), database_url, redis_url)
        max_bells = settings().max_bells
        database = Database(database_url)
        database.check_schema()
        self._mill = Mill(database, Bells(redis_url, max_bells=max_bells) if redis_url else None, max_bells)

    def submit(
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
    ) -> Job:
        """Accept one job: once this returns, it is in the database and will be worked.

        Args:
            media: `s3://bucket/key`, `file:///path` or a path object; several make one multi-image job.
            tasks: what is asked of it: Caption(), Ask(…), Ground(…).
            client_token: submitting the same token again returns the first job, unchanged.

        The other arguments are those of JobSpec.

        Raises:
            SpecError: names the field and the reason (UnknownSchemeError, UnknownModelError among them).
            DatabaseUnavailableError: not accepted; submit again, with the same client_token.
        """
        spec = job_spec(
            {
                "media": media,
                "tasks": list(tasks) if isinstance(tasks, Sequence) else [tasks],
                "sampling": sampling,
                "generation": generation,
                "model": model,
                "priority": priority,
                "client_token": client_token,
                "labels": labels,
                "max_attempts": max_attempts,
            }
        )
        accepted = submit_jobs(self._mill.database, [spec])
        self._mill.ring(accepted.models, accepted.accepted)
        return Job(self._mill, accepted.job_ids[0])

    def submit_many(
        self,
        specs: Iterable[JobSpec | Mapping[str, Any]],
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        export_to: str | None = None,
        export_format: ExportFormat = "parquet",
    ) -> Batch:
        """Accept many jobs as one batch: all of them or, after an error, none. `specs` is streamed.

        A job whose client token is known already is not made again, and stays in the batch that it was made in.

        Args:
            export_to, export_format: leave the results there as files when the batch is done; see Batch.export_to.

        Raises:
            SpecError: says which spec, which field, and why.
            DatabaseUnavailableError: nothing was accepted.
        """
        export = None if export_to is None else export_spec(export_to, export_format)
        batch = NewBatch(name=name, labels=dict(labels or {}), export=export)
        accepted = submit_jobs(self._mill.database, checked_specs(specs), batch=batch, collect_ids=False)
        self._mill.ring(accepted.models, accepted.accepted)
        return Batch(self._mill, batch.id)

    @overload
    def submit_prefix(
        self, prefix: str, *, name: str | None = ..., dry_run: Literal[False] = ..., **options: Unpack[PrefixOptions]
    ) -> Batch: ...

    @overload
    def submit_prefix(
        self, prefix: str, *, name: str | None = ..., dry_run: Literal[True], **options: Unpack[PrefixOptions]
    ) -> PrefixPreview: ...

    def submit_prefix(
        self, prefix: str, *, name: str | None = None, dry_run: bool = False, **options: Unpack[PrefixOptions]
    ) -> Batch | PrefixPreview:
        """Accept an archive: a worker (or `reelmill housekeep`) lists it, and what is new in it becomes jobs.

            batch = client.submit_prefix("s3://archive/2026/", tasks=Caption(), exclude=["*/thumbs/*"])
            batch.wait()

        Returns at once. The batch is done when the listing and all its jobs are; `batch.scan` tells how far it is.

        Args:
            prefix: `s3://bucket/start-of-keys`, or `file:///directory` (workers need it among their file roots).
            dry_run: list it from here and now (boto3 and credentials are needed), and only tell what would be done.
            options: see PrefixSpec: `tasks`, `include`, `exclude`, `since`, `only_new`, `dedupe`, `limit`, …;
                `export_to` and `export_format` as in `submit_many`.

        Raises:
            SpecError: names the field and the reason (UnknownModelError among them).
            ArchiveError: a dry run cannot list it. Otherwise that is told by `batch.scan`, and by waiting.
            DatabaseUnavailableError: not accepted.
        """
        export, asked = without_export(options)
        spec = prefix_spec(prefix, asked)
        if dry_run:
            listing = open_listing(spec.prefix, endpoint_url=settings().s3_endpoint_url, file_roots=None)
            return preview_prefix(self._mill.database, spec, listing)
        batch = NewBatch(name=name, labels=spec.labels, export=export)
        start_scan(self._mill.database, spec, batch)
        return Batch(self._mill, batch.id)

    def submit_manifest(
        self, source: Source, *, name: str | None = None, strict: bool = False, **options: Unpack[LineOptions]
    ) -> Batch:
        """Accept a file of lines as one batch: a job per good line, all of them or none.

        JSON lines with `uri` (or `uris`: the images of one job), and if wanted `tasks`, `sampling`, `generation`,
        `model`, `priority`, `labels` and `token`; or CSV with a column `uri`, whose further columns become labels.

        Args:
            source: a local path, `file://…` or `s3://…`; it is read here.
            strict: a bad line is an error. Otherwise `batch.line_problems()` tells of it, with its number.
            options: what the lines do not say themselves: `tasks`, `model`, …; and `export_to` as in `submit_many`.

        Raises:
            ManifestError: it cannot be read, no line is of use, or a line is bad and `strict`. Nothing was accepted.
            SpecError, DatabaseUnavailableError: likewise.
        """
        export, asked = without_export(options)
        return self._import(LinesFile(source, "manifest", asked, strict), name, export)

    def submit_openai_batch(
        self, source: Source, *, name: str | None = None, strict: bool = False, **options: Unpack[OpenAIOptions]
    ) -> Batch:
        """Accept a batch file as OpenAI's API takes it, whose image URLs are `s3://…` (or `file://…`): a job per line.

            batch = client.submit_openai_batch("requests.jsonl", model="default")
            batch.wait()
            batch.to_openai("answers.jsonl", errors="errors.jsonl")

        Raises: as `submit_manifest`.
        """
        export, asked = without_export(options)
        return self._import(LinesFile(source, "openai", asked, strict), name, export)

    def _import(self, file: LinesFile, name: str | None, export: ExportSpec | None) -> Batch:
        batch = NewBatch(name=name, labels=dict(file.template.get("labels") or {}), export=export)
        accepted = file.submit(self._mill.database, batch)
        self._mill.ring(accepted.models, accepted.accepted)
        return Batch(self._mill, batch.id)

    def job(self, job_id: UUID | str) -> Job:
        """A job submitted earlier, here or elsewhere. Raises NotFoundError."""
        job = Job(self._mill, _uuid(job_id, "job"))
        views.job_state(self._mill.database, job.id)
        return job

    def batch(self, batch_id: UUID | str) -> Batch:
        """A batch submitted earlier, here or elsewhere. Raises NotFoundError."""
        batch = Batch(self._mill, _uuid(batch_id, "batch"))
        views.batch_view(self._mill.database, batch.id)
        return batch

    def batches(self, limit: int = 20) -> tuple[Batch, ...]:
        """The batches submitted latest, here or elsewhere, newest first."""
        return tuple(Batch(self._mill, view.id) for view in views.list_batches(self._mill.database, most=limit))

    def add_schedule(
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
    ) -> Schedule:
        """Submit a prefix again and again: each run is a batch of the objects that are new or changed by then.

        Args:
            name: unique, for people and the command line.
            cron: minute, hour, day of month, month, day of week: "0 2 * * *"; or @hourly, @daily, …
            archive: the prefix and what is asked of its objects, as a PrefixSpec or its fields.
            timezone: whose clocks the expression follows, like "Europe/Berlin".
            overlap: "skip" refuses a run while the last batch is not done, "allow" starts it.
            catch_up: what becomes of runs that came due while no worker was alive: "latest", "none" or "all" of them.
            webhook: a URL that is told when the batch of a run is done; see Batch.notify.
            export_to, export_format: each run leaves its results there as files; see Batch.export_to.
            replace: change the schedule of this name, if there is one.

        Raises:
            SpecError: names the field and the reason (CronError, UnknownTimezoneError, NameTakenError and
                UnknownModelError among them).
        """
        spec = schedule_spec(
            {
                "name": name,
                "cron": cron,
                "archive": archive,
                "timezone": timezone,
                "overlap": overlap,
                "catch_up": catch_up,
                "webhook": webhook,
                "export": None if export_to is None else export_spec(export_to, export_format),
            }
        )
        add_schedule(self._mill.database, spec, replace=replace)
        return Schedule(self._mill, spec.name)

    def schedule(self, name: str) -> Schedule:
        """A schedule added earlier, here or elsewhere. Raises NotFoundError."""
        schedule_view(self._mill.database, name)
        return Schedule(self._mill, name)

    def schedules(self) -> tuple[Schedule, ...]:
        """All schedules: those due next first, the paused last."""
        return tuple(Schedule(self._mill, view.name) for view in list_schedules(self._mill.database))

    def workers(self) -> tuple[WorkerView, ...]:
        """Worker processes heard of within a day, the latest first; `silent_s` tells who is still there."""
        return list_workers(self._mill.database)

    def search(
        self,
        query: str,
        *,
        kind: Kind | None = None,
        batch: Batch | UUID | str | None = None,
        prefix: str = "",
        limit: int = 20,
    ) -> Iterator[SearchHit]:
        """Look for words in captions, summaries and answers, best hits first.

        All words must be there, in any form that English gives them; `"red panda"` in quotes is a phrase, `or` and
        `-dog` work too. Chinese, Japanese and Korean are found by any run of letters. Of frequent words those
        matches are ranked that were submitted last: a hundred or more of each kind.

        Args:
            kind: `caption`, `summary` or `answer`; all by default.
            batch: in this batch only.
            prefix: of the URI, such as `s3://archive/2026/`.
            limit: at most so many hits, up to 500.

        Raises:
            SpecError: an argument cannot be right, or the query has no word to look for.
        """
        if kind is not None and kind not in KINDS:
            raise SpecError("no such kind", subject=str(kind), next_step=f"Use {' or '.join(KINDS)}")
        if not 1 <= limit <= RANKED:
            raise SpecError(f"not between 1 and {RANKED}", subject=f"limit {limit}")
        batch_id = batch.id if isinstance(batch, Batch) else None if batch is None else _uuid(batch, "batch")
        kinds = KINDS if kind is None else (kind,)
        return iter(search(self._mill.database, query, kinds=kinds, batch_id=batch_id, prefix=prefix, most=limit))

    def purge(
        self,
        older_than: Age,
        *,
        states: Sequence[JobState | str] = (),
        batch: Batch | UUID | str | None = None,
        uris: Sequence[MediaReference] = (),
        prefix: str = "",
        dry_run: bool = False,
    ) -> PurgeReport:
        """Delete jobs that ended long ago, with everything that was found. Incremental runs still leave them out.

            client.purge("90d", states=["failed", "cancelled"])

        In short transactions; cut off, the next call goes on. Without `states` and objects, batches that have become
        empty go too.

        Args:
            older_than: since their end: a timedelta, or "90d", "12h", "30m".
            states: succeeded, failed, cancelled; all three by default.
            batch, uris, prefix: only jobs of this batch; only those that show one of these objects.
            dry_run: only count.

        Raises:
            SpecError: an argument cannot be right.
            DatabaseForbiddenError: this role may not delete (producers may not).
        """
        spec = purge_spec(older_than, states, self._batch_id(batch), objects_of(uris, prefix))
        return purge_jobs(self._mill.database, spec, dry_run=dry_run)

    def forget(
        self,
        *uris: MediaReference,
        prefix: str = "",
        batch: Batch | UUID | str | None = None,
        dry_run: bool = False,
    ) -> ForgetReport:
        """Delete everything known of objects, or of a batch, whatever state it is in.

            client.forget("s3://archive/2026/anna.jpg")

        A job that shows several objects goes whole, whichever of them is forgotten. What runs is stopped. Nothing is
        remembered: where an object still lies in an archive that is listed again, it is new; delete it there first.

        Raises:
            SpecError: neither objects nor a batch are named, or both.
            DatabaseForbiddenError: this role may not delete (producers may not).
        """
        return forget(self._mill.database, objects_of(uris, prefix), self._batch_id(batch), dry_run=dry_run)

    def _batch_id(self, batch: Batch | UUID | str | None) -> UUID | None:
        """Raises NotFoundError."""
        return None if batch is None else batch.id if isinstance(batch, Batch) else self.batch(batch).id

    def close(self) -> None:
        """Close the connections."""
        self._mill.database.close()
        if self._mill.bells is not None:
            self._mill.bells.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _uuid(given: UUID | str, kind: str) -> UUID:
    try:
        return given if isinstance(given, UUID) else UUID(given)
    except ValueError:
        raise NotFoundError(f"not the id of a {kind}", subject=str(given)) from None
