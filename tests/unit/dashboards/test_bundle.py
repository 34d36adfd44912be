"""The Superset bundle hangs together, and its ZIP is what Superset takes (a real one: `python -m dashboards.check`)."""

from __future__ import annotations

import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from dashboards.bundle import DATABASE, SOURCES, Kind, write_bundle

FILES: dict[str, dict[str, Any]] = {
    path.relative_to(SOURCES).as_posix(): yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted(SOURCES.rglob("*.yaml"))
}
NASTY_URL = "postgresql+psycopg2://reader:p%40ss\\1\"'#: {}@db.internal:5432/reelmill?sslmode=verify-full"


def of(folder: str) -> dict[str, dict[str, Any]]:
    """The files of a folder by their uuid."""
    return {file["uuid"]: file for name, file in FILES.items() if name.startswith(f"{folder}/")}


DATABASES, DATASETS, CHARTS, DASHBOARDS = (of(folder) for folder in ("databases", "datasets", "charts", "dashboards"))
(DASHBOARD,) = DASHBOARDS.values()
PLACES = [place for place in DASHBOARD["position"].values() if isinstance(place, dict)]


def test_every_file_has_a_uuid_of_its_own() -> None:
    uuids = Counter(file["uuid"] for name, file in FILES.items() if name != "metadata.yaml")
    assert [uuid for uuid, times in uuids.items() if times > 1] == []
    assert all(file["version"] == "1.0.0" for file in FILES.values())
    assert len(DATABASES) == 1


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: str(dataset["table_name"]))
def test_a_dataset_names_its_database_and_its_columns_once(dataset: dict[str, Any]) -> None:
    columns = [column["column_name"] for column in dataset["columns"]]
    names = columns + [metric["metric_name"] for metric in dataset["metrics"]]
    assert dataset["database_uuid"] in DATABASES
    assert len(set(names)) == len(names)
    assert dataset["main_dttm_col"] in (None, *columns)
    assert ";" not in dataset["sql"]


@pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda chart: str(chart["slice_name"]))
def test_a_chart_asks_for_columns_and_metrics_that_its_dataset_has(chart: dict[str, Any]) -> None:
    dataset, asked = DATASETS[chart["dataset_uuid"]], chart["params"]
    columns = {column["column_name"] for column in dataset["columns"]}
    metrics = {metric["metric_name"] for metric in dataset["metrics"]}
    ordered = {re.findall(r'"(\w+)"', order)[0] for order in asked.get("order_by_cols", [])}

    across = {asked["x_axis"]} if "x_axis" in asked else set()
    assert {*asked.get("all_columns", ()), *asked.get("groupby", ()), *across, *ordered} <= columns
    assert set(asked.get("column_config", ())) <= set(asked.get("all_columns", ()))
    assert {*asked.get("metrics", ()), *([asked["metric"]] if "metric" in asked else ())} <= metrics
    assert asked["viz_type"] == chart["viz_type"]
    assert chart["description"]


def test_the_dashboard_shows_every_chart_once_under_its_name() -> None:
    shown = [place["meta"] for place in PLACES if place["type"] == "CHART"]
    assert sorted(chart["uuid"] for chart in shown) == sorted(CHARTS)
    assert all(CHARTS[chart["uuid"]]["slice_name"] == chart["sliceName"] for chart in shown)
    assert len({chart["chartId"] for chart in shown}) == len(shown)


def test_every_place_of_the_dashboard_is_where_its_parent_says() -> None:
    position = DASHBOARD["position"]
    for place in PLACES:
        for child in place.get("children", []):
            assert position[child]["parents"] == [*place.get("parents", []), place["id"]]
        if place["type"] == "ROW":
            assert sum(position[child]["meta"]["width"] for child in place["children"]) == 12
    held = [child for place in PLACES for child in place.get("children", [])]
    assert sorted(held) == sorted(place["id"] for place in PLACES if "parents" in place and place["type"] != "GRID")


def test_a_filter_looks_at_a_column_that_is_there_and_at_charts_that_have_it() -> None:
    numbers = {place["meta"]["chartId"]: place for place in PLACES if place["type"] == "CHART"}
    for each in DASHBOARD["metadata"]["native_filter_configuration"]:
        assert set(each["scope"]["rootPath"]) <= set(DASHBOARD["position"])
        assert set(each["scope"]["excluded"]) <= set(numbers)
        (target,) = each["targets"]
        column = target.get("column", {}).get("name")
        if column is None:
            continue
        assert column in {found["column_name"] for found in DATASETS[target["datasetUuid"]]["columns"]}
        for number, place in numbers.items():
            if number in each["scope"]["excluded"] or not {*place["parents"]} & {*each["scope"]["rootPath"]}:
                continue
            dataset = DATASETS[CHARTS[place["meta"]["uuid"]]["dataset_uuid"]]
            assert column in {found["column_name"] for found in dataset["columns"]}, place["meta"]["sliceName"]


def test_the_zip_has_every_file_and_the_address_of_the_mill(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "reelmill.zip", reader_url=NASTY_URL, kind=Kind.ASSETS)

    with ZipFile(path) as bundle:
        found = {name: yaml.safe_load(bundle.read(name)) for name in bundle.namelist()}
    changed = {f"reelmill/{name}" for name in ("metadata.yaml", DATABASE)}
    assert {name: file for name, file in found.items() if name not in changed} == {
        f"reelmill/{name}": file for name, file in FILES.items() if f"reelmill/{name}" not in changed
    }
    assert found["reelmill/metadata.yaml"] == FILES["metadata.yaml"] | {"type": "assets"}
    assert found[f"reelmill/{DATABASE}"] == FILES[DATABASE] | {"sqlalchemy_uri": NASTY_URL}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_zip_for_somebody_elses_superset_is_the_sources_as_they_are(tmp_path: Path) -> None:
    with ZipFile(write_bundle(tmp_path / "reelmill.zip")) as bundle:
        found = {name.removeprefix("reelmill/"): yaml.safe_load(bundle.read(name)) for name in bundle.namelist()}
    assert found == FILES
    assert found["metadata.yaml"]["type"] == "Dashboard"
