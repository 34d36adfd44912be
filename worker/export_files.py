"""Results in files of bounded size: how a batch is cut, and how a file is made."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast
from uuid import UUID

from reelmill.export import json_line, write_jsonl
from reelmill.job_results import JobResults
from reelmill.ledger.export_claims import ClaimedExport
from reelmill.ledger.exports import ExportedFile
from reelmill.tables import write_parquet
from worker.errors import StorageUnavailableError
from worker.storage.downloads import new_download

FILE_BYTES = 120_000_000
"""A file is full with so many bytes of JSON, whatever its format: where it ends is settled by the results alone, so
that whoever writes it again, perhaps with another library, ends it at the same job. Parquet is some times smaller."""
SUCCESS = "_SUCCESS"
"""The last object of a complete set, as Hadoop and Spark know it: readers leave out names that begin with _."""


class FullFile:
    """Jobs for one file: passes them on until it is full, and remembers what went through.

    Attributes:
        jobs: how many went through; last: the last of them.
        full: more may come.
    """

    def __init__(self, results: Iterator[JobResults], most_bytes: int, check: Callable[[], None]) -> None:
        self._results, self._most_bytes, self._check = results, most_bytes, check
        self.jobs, self.full = 0, False
        self.last: UUID | None = None

    def __iter__(self) -> Iterator[JobResults]:
        taken = 0
        for found in self._results:
            self._check()
            self.jobs, self.last = self.jobs + 1, found.job_id
            taken += len(json_line(found))
            yield found
            if taken >= self._most_bytes:
                self.full = True
                return


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file on the local disk, and what the ledger notes of it."""

    path: Path
    noted: ExportedFile


@contextmanager
def made_file(export: ClaimedExport, number: int, jobs: FullFile, directory: Path) -> Iterator[MadeFile]:
    """The file of this number, counting from 0, below `directory` for the length of a `with`.

    Raises:
        StorageUnavailableError: no room on the local disk.
        MissingExtraError: Parquet without pyarrow.
        Whatever `jobs` raises.
    """
    name = f"part-{number:05}.{export.spec.format}"
    write = write_parquet if export.spec.format == "parquet" else write_jsonl
    with new_download(directory, export.spec.prefix) as made:
        try:
            # Not closed: with it would go the lock that tells it from what a killed worker left.
            buffered = io.BufferedWriter(cast("io.RawIOBase", made.file))
            rows = write(jobs, buffered)
            buffered.detach()
        except OSError as error:
            message = f"no room for {name} in {directory} ({error.strerror})"
            raise StorageUnavailableError(message, subject=export.spec.prefix) from error
        yield MadeFile(made.path, ExportedFile(name, jobs.jobs, rows, made.path.stat().st_size))


@contextmanager
def success_file(export: ClaimedExport, files: list[ExportedFile], directory: Path) -> Iterator[Path]:
    """What `_SUCCESS` holds: the files, and how much is in them."""
    told = {
        "batch": str(export.batch_id),
        "format": export.spec.format,
        "as_of": export.as_of.isoformat(),
        **{name: sum(getattr(file, name) for file in files) for name in ("jobs", "rows", "bytes")},
        "files": [asdict(file) for file in files],
    }
    with new_download(directory, export.spec.prefix) as made:
        made.file.write(json.dumps(told, indent=1).encode() + b"\n")
        yield made.path
