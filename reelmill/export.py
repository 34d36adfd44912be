"""Results as files: JSONL whole, CSV and Parquet as a table. Streamed: memory holds a page, however large the batch."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from reelmill.errors import ExportError, SpecError
from reelmill.job_results import JobResults
from reelmill.rows import ResultRow

Results = Iterable[JobResults]
FilePath = str | os.PathLike[str]
COLUMNS = tuple(column.name for column in fields(ResultRow))


def export(results: Results, path: FilePath) -> int:
    """Write `.jsonl` (or .ndjson), `.csv` or `.parquet`, whichever the name ends in; returns how many lines or rows.

    The file appears whole or not at all.

    Raises:
        SpecError: another ending.
        ExportError: the file cannot be written.
        MissingExtraError: Parquet without pyarrow.
    """
    write = _writer(Path(path))
    return write(results, path)


def to_jsonl(results: Results, path: FilePath) -> int:
    """One line per job: all of JobResults as JSON, as `reelmill results --json` prints it. Returns the lines."""
    with whole_file(path) as scratch, scratch.open("wb") as file:
        return write_jsonl(results, file)


def write_jsonl(results: Results, file: BinaryIO) -> int:
    """`to_jsonl` into an open file."""
    count = 0
    for found in results:
        file.write(json_line(found) + b"\n")
        count += 1
    return count


def json_line(found: JobResults) -> bytes:
    """A job's results as JSON, without the line's end."""
    return _adapter().dump_json(found)


def read_jsonl(path: FilePath) -> Iterator[JobResults]:
    """What `to_jsonl` wrote, one job at a time.

    Raises:
        SpecError: it cannot be read, or a line is something else; says which.
    """
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, 1):
                yield _read_line(path, number, line)
    except OSError as error:
        raise SpecError(f"cannot be read ({error.strerror or error})", subject=str(path)) from error


def _read_line(path: FilePath, number: int, line: bytes) -> JobResults:
    try:
        return _adapter().validate_json(line)
    except ValidationError as error:
        raise SpecError(
            "not a job's results",
            subject=f"{path}, line {number}",
            next_step="`reelmill results ID -f jsonl` writes them",
        ) from error


def to_csv(results: Results, path: FilePath) -> int:
    """One line per caption, answer and box (see ResultRow), UTF-8, with a header; None is empty. Returns the rows.

    Cells are what was found, for programs: one that begins with = + - @ is a formula to a spreadsheet, and words in
    a picture can put it there. Import columns as text; an apostrophe before each would be read by everybody else.
    """
    count = 0
    with whole_file(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in all_rows(results):
            writer.writerow(plain(getattr(row, name)) for name in COLUMNS)
            count += 1
    return count


def all_rows(results: Results) -> Iterator[ResultRow]:
    """The rows of all jobs, one after the other."""
    return chain.from_iterable(found.rows() for found in results)


def plain(value: Any) -> Any:
    """What a cell holds: ids and labels as text."""
    if isinstance(value, UUID):
        return str(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict) else value


@contextmanager
def whole_file(path: FilePath) -> Iterator[Path]:
    """A file beside `path` that takes its name at the end of the block, and vanishes on any error.

    Raises:
        ExportError: it cannot be written: no such directory, no right to write there, no room.
    """
    target = Path(path).expanduser()
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.fchmod(descriptor, 0o644)
        os.close(descriptor)
        try:
            yield Path(name)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ExportError(f"cannot be written ({error.strerror or error})", subject=str(target)) from error


def _writer(path: Path) -> Callable[[Results, FilePath], int]:
    from reelmill.tables import to_parquet

    writers = {".jsonl": to_jsonl, ".ndjson": to_jsonl, ".csv": to_csv, ".parquet": to_parquet}
    if path.suffix.lower() not in writers:
        raise SpecError(
            "no such format", subject=str(path), next_step=f"Let the name end in {', '.join(sorted(writers))}"
        )
    return writers[path.suffix.lower()]


@cache
def _adapter() -> TypeAdapter[JobResults]:
    return TypeAdapter(JobResults)
