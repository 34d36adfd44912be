"""Scanning: archives are listed page by page, each page is committed, and whoever comes next goes on from there."""

from __future__ import annotations

import threading
from pathlib import Path

import structlog

from reelmill.archive.filters import Filters
from reelmill.archive.listing import open_listing
from reelmill.bells import Bells
from reelmill.errors import DatabaseUnavailableError
from reelmill.ledger.database import Database
from reelmill.ledger.scan_pages import advance_scan
from reelmill.ledger.scans import ClaimedScan, claim_scan, fail_scan, finish_scan, release_scan
from reelmill.schema import ReelmillError
from reelmill.settings import Settings
from worker.errors import InternalError

log = structlog.get_logger(__name__)


class Scanner:
    """Takes up scans, one at a time; a thread of its own runs it, so that a long one holds nothing else up."""

    def __init__(self, settings: Settings, database: Database, bells: Bells, worker_id: str) -> None:
        self._settings = settings
        self._database = database
        self._bells = bells
        self._worker_id = worker_id
        self._leaving = threading.Event()

    def leave(self) -> None:
        """Give the scan back after the page under way, and take up no other. Safe in a signal handler."""
        self._leaving.set()

    def tick(self) -> None:
        """Work until no scan is left."""
        while not self._leaving.is_set():
            scan = claim_scan(self._database, self._worker_id, lease_s=self._settings.lease_s, file_roots=self._roots())
            if scan is None:
                return
            with structlog.contextvars.bound_contextvars(scan=str(scan.lease.scan_id), prefix=scan.spec.prefix):
                self._work(scan)

    def _work(self, scan: ClaimedScan) -> None:
        """The boundary of one scan: what goes wrong ends in its row."""
        log.info("scan begins", after=scan.cursor, listed=scan.counts.listed)
        try:
            self._scan(scan)
        except DatabaseUnavailableError:
            # Whether the last page was committed is not known. The lease runs out, and the cursor tells.
            raise
        except ReelmillError as error:
            self._failed(scan, error)
        except Exception as error:
            log.exception("unexpected error in a scan")
            self._failed(scan, InternalError(f"{type(error).__name__}: {error}"))

    def _scan(self, scan: ClaimedScan) -> None:
        settings, filters = self._settings, Filters(scan.spec)
        listing = open_listing(scan.spec.prefix, endpoint_url=settings.s3_endpoint_url, file_roots=settings.file_roots)
        for listed in listing.pages(scan.cursor):
            if self._leaving.is_set():
                release_scan(self._database, scan.lease)
                log.info("scan given back", listed=scan.counts.listed)
                return
            moved = advance_scan(self._database, scan, filters.page(listed), lease_s=settings.lease_s)
            if moved is None:
                log.warning("the scan is no longer ours; nothing more is written")
                return
            if moved.counts.accepted > scan.counts.accepted:
                self._bells.ring(scan.spec.model, moved.counts.accepted - scan.counts.accepted)
            scan = moved
            if scan.spec.limit is not None and scan.counts.accepted >= scan.spec.limit:
                break
        finish_scan(self._database, scan.lease)
        log.info("scan done", listed=scan.counts.listed, accepted=scan.counts.accepted, skipped=scan.counts.skipped)

    def _failed(self, scan: ClaimedScan, error: ReelmillError) -> None:
        state = fail_scan(self._database, scan.lease, error)
        log.warning("scan failed", error=str(error), code=error.code, state=state)

    def _roots(self) -> list[str]:
        """Named as in URIs, and as links lead."""
        roots = self._settings.file_roots
        return [path.as_uri() for root in roots for path in {Path(root).absolute(), Path(root).resolve()}]
