"""Each page's content, read from the ledger: plain values for the templates. A page costs a handful of statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.datastructures import QueryParams

from reelmill.ledger.database import Database
from reelmill.ledger.listing import list_jobs
from reelmill.ledger.overview import BatchProgress, Failure, batch_progress, failures, latest_batches
from reelmill.ledger.results import results
from reelmill.ledger.search import KINDS, Kind, search
from reelmill.ledger.views import attempts, job_view
from reelmill.live.asked import Asked, identifier_or_none, number
from reelmill.live.media_page import PARTS_READ, card, media_page
from reelmill.live.remembered import Remembered
from reelmill.report import ReportMedia, collect, unfinished

BATCHES_PER_PAGE = 20
JOBS_PER_PAGE = 24
HITS = 50
Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobsPage:
    """A page of jobs; `first` and `last` are the keys of its edges, None where nothing lies beyond them."""

    media: tuple[ReportMedia, ...]
    first: UUID | None
    last: UUID | None


class Views:
    """Reads what the pages show. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Counting the jobs of a batch of millions takes a second, and every open page asks again and again.
        self._batches = Remembered(self._latest)
        self._progress = Remembered(self._progress_of)
        self._failures = Remembered(self._failures_of)

    def batches(self, query: QueryParams) -> Content:
        """The latest batches, or those before one."""
        before = identifier_or_none(query.get("before"))
        found = self._batches(before)
        shown = found[:BATCHES_PER_PAGE]
        return {
            "batches": shown,
            "older": shown[-1].batch_id if len(found) > len(shown) else None,
            "newest": before is None,
            "going": before is None,
        }

    def batch(self, batch_id: UUID, query: QueryParams) -> Content:
        """One batch: its progress, why jobs failed, and a page of its jobs. Raises NotFoundError, SpecError."""
        progress = self._progress(batch_id)
        return {
            "batch": progress,
            "failures": self._failures(batch_id) if progress.failed else (),
            "going": progress.going,
            **self._jobs(batch_id, query),
        }

    def alone(self, query: QueryParams) -> Content:
        """The jobs that belong to no batch. Raises SpecError."""
        return {"batch": None, "failures": (), "going": True, **self._jobs(None, query)}

    def job(self, job_id: UUID, query: QueryParams) -> Content:
        """One job: everything that is known of it. Raises NotFoundError, SpecError."""
        job = job_view(self._database, job_id)
        batch = self._progress(job.batch_id) if job.batch_id else None
        found = next(results(self._database, job_ids=[job_id]), None)
        page = media_page(found, number(query.get("part", "0"), "part")) if found else None
        return {
            "job": job,
            "batch": batch,
            "page": page,
            "item": page.head if page else unfinished(self._database, [job_id])[job_id],
            "attempts": attempts(self._database, job_id),
            "going": not job.state.done,
        }

    def search(self, query: QueryParams) -> Content:
        """What was said that has these words. Raises SpecError."""
        words = query.get("q", "").strip()
        kind = query.get("kind", "")
        batch_id = identifier_or_none(query.get("batch"))
        kinds: tuple[Kind, ...] = tuple(known for known in KINDS if kind in ("", known)) or KINDS
        prefix = query.get("prefix", "").strip()
        hits = search(self._database, words, kinds=kinds, batch_id=batch_id, prefix=prefix, most=HITS) if words else []
        batch: BatchProgress | None = self._progress(batch_id) if batch_id else None
        return {"words": words, "kind": kind, "prefix": prefix, "hits": hits, "batch": batch, "most": HITS}

    def _jobs(self, batch_id: UUID | None, query: QueryParams) -> Content:
        asked = Asked.of(query)
        after, before = identifier_or_none(query.get("after")), identifier_or_none(query.get("before"))
        wanted = asked.filter(batch_id)
        found = list_jobs(self._database, wanted, most=JOBS_PER_PAGE + 1, after=after, before=before)
        beyond = len(found) > JOBS_PER_PAGE
        keys = list(found)
        keys = keys[-JOBS_PER_PAGE:] if before else keys[:JOBS_PER_PAGE]
        shown = {key: found[key] for key in keys}
        media = tuple(collect(self._database, shown, card, first_parts=PARTS_READ))
        # Whoever came from one side can go back to it.
        has_earlier, has_later = (beyond, True) if before else (after is not None, beyond)
        page = JobsPage(media, keys[0] if keys and has_earlier else None, keys[-1] if keys and has_later else None)
        return {"jobs": page, "asked": asked}

    def _latest(self, before: UUID | None) -> tuple[BatchProgress, ...]:
        return latest_batches(self._database, most=BATCHES_PER_PAGE + 1, before=before)

    def _progress_of(self, batch_id: UUID) -> BatchProgress:
        return batch_progress(self._database, batch_id)

    def _failures_of(self, batch_id: UUID) -> tuple[Failure, ...]:
        return failures(self._database, batch_id)
