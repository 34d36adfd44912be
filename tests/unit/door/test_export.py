"""Results as files and frames."""

from __future__ import annotations

import builtins
import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from reelmill import tables
from reelmill.errors import ExportError, MissingExtraError, SpecError
from reelmill.export import COLUMNS, export, to_csv, to_jsonl
from reelmill.job_results import JobResults
from reelmill.rows import ResultRow
from reelmill.tables import to_pandas, to_parquet
from tests.unit.door.samples import job_results, summed_up

JOBS = [job_results(1), summed_up(2)]
ROWS = [row for job in JOBS for row in job.rows()]


def plain_rows() -> list[dict[str, Any]]:
    labels = {"labels": lambda row: json.dumps(row.labels, ensure_ascii=False, sort_keys=True)}
    own = {"job_id": lambda row: str(row.job_id), **labels}
    return [{name: own.get(name, lambda row, name=name: getattr(row, name))(row) for name in COLUMNS} for row in ROWS]


def test_the_columns_are_the_fields_of_a_row() -> None:
    assert tuple(field.name for field in fields(ResultRow)) == COLUMNS
    assert set(plain_rows()[0]) == set(COLUMNS)


def test_jsonl_holds_each_job_whole(tmp_path: Path) -> None:
    assert export(iter(JOBS), tmp_path / "a.jsonl") == 2
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [json.loads(json.dumps(asdict(job), default=str)) for job in JOBS]


def test_csv_holds_a_row_per_caption_answer_and_box(tmp_path: Path) -> None:
    assert export(iter(JOBS), str(tmp_path / "a.CSV")) == len(ROWS)
    with (tmp_path / "a.CSV").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert read == [{name: "" if v is None else str(v) for name, v in row.items()} for row in plain_rows()]
    assert read[0]["text"] == 'a "cat",\nsleeping'


def test_parquet_keeps_types_and_nulls(tmp_path: Path) -> None:
    assert export(iter(JOBS), tmp_path / "a.parquet") == len(ROWS)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.to_pylist() == plain_rows()
    assert {str(table.schema.field(name).type) for name in ("segment", "box")} == {"int64"}
    assert str(table.schema.field("x1_px").type) == "double"


def test_pandas_has_typed_columns_and_labels_as_dicts() -> None:
    table = to_pandas(iter(JOBS))
    assert list(table.columns) == list(COLUMNS)
    assert list(table.kind) == [row.kind for row in ROWS]
    assert (table.box.dtype, table.x1.dtype, table.kind.dtype) == ("Int64", "float64", "category")
    boxes = table[table.kind == "box"]
    assert list(boxes.x2_px - boxes.x1_px) == [128.0] * 4
    assert table.labels[0] == {"who": "mé", "n": "1"}
    assert table.loc[table.kind == "caption", "box"].isna().all()


def test_nothing_found_yet_is_an_empty_table_with_all_columns(tmp_path: Path) -> None:
    assert [export(iter(()), tmp_path / f"a.{end}") for end in ("jsonl", "csv", "parquet")] == [0, 0, 0]
    assert (tmp_path / "a.csv").read_text().strip() == ",".join(COLUMNS)
    assert pq.read_table(tmp_path / "a.parquet").column_names == list(COLUMNS)
    pd.testing.assert_index_equal(to_pandas(iter(())).columns, pd.Index(COLUMNS))
    assert to_pandas(iter(())).dtypes["box"] == to_pandas(iter(JOBS)).dtypes["box"]


def test_many_rows_are_written_and_joined_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 5)
    assert to_parquet(iter(JOBS), tmp_path / "a.parquet") == 15
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == plain_rows()
    assert list(to_pandas(iter(JOBS)).index) == list(range(15))


def test_writing_takes_one_job_at_a_time(tmp_path: Path) -> None:
    taken = 0

    def jobs() -> Iterator[JobResults]:
        nonlocal taken
        for taken in range(1, 4):
            (scratch,) = tmp_path.iterdir()
            assert scratch.name.startswith(".")
            yield job_results(taken)

    assert to_jsonl(jobs(), tmp_path / "a.jsonl") == taken == 3


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, ending: str) -> None:
    def cut_off() -> Iterator[JobResults]:
        yield job_results()
        raise ConnectionAbortedError

    (tmp_path / f"a.{ending}").write_text("what stood there before")
    with pytest.raises(ExportError):
        export(cut_off(), tmp_path / f"a.{ending}")
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{ending}"]
    assert (tmp_path / f"a.{ending}").read_text() == "what stood there before"


def test_another_ending_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"a\.xlsx.*\.csv, \.jsonl, \.ndjson, \.parquet"):
        export(iter(JOBS), tmp_path / "a.xlsx")


def test_a_directory_that_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"none/a\.csv.*No such file or directory"):
        to_csv(iter(JOBS), tmp_path / "none" / "a.csv")


@pytest.mark.parametrize(
    ("library", "write"), [("pyarrow", to_parquet), ("pandas", lambda jobs, path: to_pandas(jobs))]
)
def test_a_missing_library_is_told_with_the_pip_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, write: Any
) -> None:
    real_import = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.partition(".")[0] == library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real_import(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=rf"{library}.*pip install 'reelmill\[export\]'"):
        write(iter(JOBS), tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []
