"""Results of finished batches become files below a prefix: one complete set, announced by its last object."""

from __future__ import annotations

import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path

import structlog

from reelmill.errors import DatabaseUnavailableError
from reelmill.ledger.database import Database
from reelmill.ledger.export_claims import (
    ClaimedExport,
    ExportLease,
    claim_export,
    extend_export,
    fail_export,
    finish_export,
    note_file,
    release_export,
)
from reelmill.ledger.results import results
from reelmill.schema import ReelmillError
from reelmill.settings import Settings
from worker.errors import InternalError, LeaseLostError
from worker.export_files import FILE_BYTES, SUCCESS, FullFile, made_file, success_file
from worker.periodic import Periodic
from worker.storage.folders import Folder, open_folder

log = structlog.get_logger(__name__)
BEATS_PER_LEASE = 3


class Exporter:
    """Takes up exports, one at a time; a thread of its own runs it, so that a large one holds nothing else up."""

    def __init__(self, settings: Settings, database: Database, worker_id: str, *, file_bytes: int = FILE_BYTES) -> None:
        self._settings, self._database, self._worker_id = settings, database, worker_id
        self._file_bytes = file_bytes
        self._directory = settings.download_dir or Path(tempfile.gettempdir())
        self._formats = ["jsonl", *(["parquet"] if find_spec("pyarrow") else [])]
        self._leaving = threading.Event()

    def leave(self) -> None:
        """Give the export back before its next file, and take up no other. Safe in a signal handler."""
        self._leaving.set()

    def tick(self) -> None:
        """Work until no export is left that this process may write."""
        while self._settings.export_prefixes and not self._leaving.is_set():
            export = claim_export(
                self._database,
                self._worker_id,
                lease_s=self._settings.lease_s,
                formats=self._formats,
                prefixes=self._settings.export_prefixes,
            )
            if export is None:
                return
            location = export.spec.location(export.batch_id)
            with structlog.contextvars.bound_contextvars(batch=str(export.batch_id), location=location):
                self._work(export, location)

    def _work(self, export: ClaimedExport, location: str) -> None:
        """The boundary of one export: what goes wrong ends in its row."""
        log.info("export begins", files_before=len(export.files))
        held = Held(self._database, export.lease, self._leaving)
        beating = Periodic("export lease", self._settings.lease_s / BEATS_PER_LEASE, held.beat)
        beating.start()
        try:
            self._write(export, open_folder(location, self._settings), held)
        except DatabaseUnavailableError:
            # Whether the last file was noted is not known. The lease runs out, and the cursor tells.
            raise
        except LeaseLostError:
            log.warning("the export is no longer ours; nothing more is written")
        except LeavingError:
            release_export(self._database, export.lease)
            log.info("export given back")
        except ReelmillError as error:
            self._failed(export, error)
        except Exception as error:
            log.exception("unexpected error in an export")
            self._failed(export, InternalError(f"{type(error).__name__}: {error}"))
        finally:
            beating.stop()

    def _write(self, export: ClaimedExport, folder: Folder, held: Held) -> None:
        """The files that are missing, and then the object that says that all are there."""
        files = list(export.files)
        found = results(self._database, batch_id=export.batch_id, after=export.cursor, as_of=export.as_of)
        more = True
        while more:
            jobs = FullFile(found, self._file_bytes, held.check)
            with made_file(export, len(files), jobs, self._directory) as made:
                # A batch without results has one empty file: readers of the folder find their columns.
                if jobs.jobs or not files:
                    held.renew()
                    folder.put(made.noted.name, made.path)
                    held.must(note_file(self._database, export.lease, made.noted, jobs.last))
                    files.append(made.noted)
            more = jobs.full
        with success_file(export, files, self._directory) as path:
            held.renew()
            folder.put(SUCCESS, path)
        held.must(finish_export(self._database, export.lease))
        log.info("export done", files=len(files), rows=sum(file.rows for file in files))

    def _failed(self, export: ClaimedExport, error: ReelmillError) -> None:
        state = fail_export(self._database, export.lease, error)
        log.warning("export failed", error=str(error), code=error.code, state=state)


class LeavingError(Exception):
    """The process is told to stop."""


class Held:
    """The lease of an export, looked at between jobs and asked for before each write."""

    def __init__(self, database: Database, lease: ExportLease, leaving: threading.Event) -> None:
        self._database, self._lease, self._leaving = database, lease, leaving
        self._lost = threading.Event()

    def beat(self) -> None:
        """Keep it."""
        if not extend_export(self._database, self._lease):
            self._lost.set()

    def check(self) -> None:
        """Raises LeaseLostError, or LeavingError."""
        self.must(not self._lost.is_set())
        if self._leaving.is_set():
            raise LeavingError

    def renew(self) -> None:
        """The same, as the ledger knows it at this moment."""
        self.beat()
        self.check()

    def must(self, ours: bool) -> None:
        """Raises LeaseLostError unless the export is still ours."""
        if not ours:
            raise LeaseLostError("the export is no longer ours")
