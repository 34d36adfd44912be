"""A dry run: what a scan would accept, seen from here and without a trace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from reelmill.archive.filters import Filters
from reelmill.archive.listing import Listing
from reelmill.ledger.database import Database
from reelmill.ledger.fingerprint import FoundObject
from reelmill.ledger.scan_pages import settled_objects
from reelmill.schema import PrefixSpec

SAMPLE = 10


@dataclass(frozen=True, slots=True)
class PrefixPreview:
    """What `submit_prefix` would do now.

    Attributes:
        listed: objects below the prefix; all of them, unless the limit was reached before.
        jobs: those that would become jobs, `jobs_bytes` their size.
        skipped: the others by reason. Equal content within one run is not counted here.
        sample: the first URIs that would become jobs.
    """

    prefix: str
    listed: int
    jobs: int
    jobs_bytes: int
    skipped: dict[str, int]
    sample: tuple[str, ...]


def preview_prefix(database: Database, spec: PrefixSpec, listing: Listing) -> PrefixPreview:
    """List the prefix and compare it with the ledger, page by page; nothing is written.

    Raises:
        ArchiveError, ArchiveUnavailableError: it cannot be listed from here.
        DatabaseUnavailableError.
    """
    filters, skipped, sample = Filters(spec), Counter[str](), list[FoundObject]()
    listed = jobs = jobs_bytes = 0
    for each in listing.pages(None):
        page = filters.page(each)
        settled = settled_objects(database, spec, page.found)
        skipped.update(page.skipped)
        skipped.update(settled.values())
        fresh = [found for found in page.found if found.uri not in settled]
        if spec.limit is not None:
            skipped["over_limit"] += max(0, jobs + len(fresh) - spec.limit)
            fresh = fresh[: spec.limit - jobs]
        listed, jobs = listed + page.listed, jobs + len(fresh)
        jobs_bytes += sum(found.size_bytes or 0 for found in fresh)
        sample += fresh[: SAMPLE - len(sample)]
        if jobs == spec.limit:
            break
    kept = {reason: count for reason, count in sorted(skipped.items()) if count}
    return PrefixPreview(spec.prefix, listed, jobs, jobs_bytes, kept, tuple(found.uri for found in sample))
