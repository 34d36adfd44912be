"""Results as typed columns: Parquet files and pandas frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from reelmill.export import COLUMNS, FilePath, Results, all_rows, plain, whole_file
from reelmill.extras import extra
from reelmill.rows import ResultRow

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ROWS_PER_GROUP = 20_000
INTEGERS = frozenset(column.name for column in fields(ResultRow) if "int" in str(column.type))
FLOATS = frozenset(column.name for column in fields(ResultRow) if "float" in str(column.type))
Columns = dict[str, list[Any]]


def to_parquet(results: Results, path: FilePath) -> int:
    """One row per caption, answer and box (see ResultRow); `job_id` and `labels` (JSON) are text. Returns the rows.

    Raises:
        MissingExtraError: pyarrow is not installed.
        ExportError: the file cannot be written.
    """
    with whole_file(path) as scratch, scratch.open("wb") as file:
        return write_parquet(results, file)


def write_parquet(results: Results, file: BinaryIO) -> int:
    """`to_parquet` into an open file. Raises MissingExtraError."""
    with extra("export", purpose="Parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    schema, count = _schema(), 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for columns in _chunks(results):
            writer.write_table(pa.table(columns, schema=schema))
            count += len(columns["job_id"])
    return count


def to_pandas(results: Results) -> pd.DataFrame:
    """One row per caption, answer and box (see ResultRow), all in memory.

    Numbers that may be missing are Int64 and float64 (NaN), `kind` is a category, `labels` are dicts, the rest is text.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    with extra("export", purpose="pandas"):
        import pandas as pd
    frames = [_typed(pd.DataFrame(columns)) for columns in _chunks(results, text_labels=False)]
    table = pd.concat(frames, ignore_index=True) if frames else _typed(pd.DataFrame(columns=list(COLUMNS)))
    return table.astype({"kind": "category"})


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    kinds: dict[str, str] = dict.fromkeys(COLUMNS, "string") | {"labels": "object"}
    kinds |= dict.fromkeys(INTEGERS, "Int64") | dict.fromkeys(FLOATS, "float64")
    return table.astype(kinds)


def _chunks(results: Results, *, text_labels: bool = True) -> Iterator[Columns]:
    rows = all_rows(results)
    while chunk := list(islice(rows, ROWS_PER_GROUP)):
        yield _columns(chunk, text_labels=text_labels)


def _columns(chunk: Sequence[ResultRow], *, text_labels: bool) -> Columns:
    columns: Columns = {name: [plain(getattr(row, name)) for row in chunk] for name in COLUMNS if name != "labels"}
    columns["labels"] = [plain(row.labels) if text_labels else row.labels for row in chunk]
    return columns


def _schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {name: pa.int64() for name in INTEGERS} | {name: pa.float64() for name in FLOATS}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
