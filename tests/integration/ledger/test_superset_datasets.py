"""Every dataset of the Superset bundle has the columns that it names, for a reader, whatever the filters say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import yaml
from jinja2 import Environment
from sqlalchemy import make_url

from reelmill.ledger.database import Database
from reelmill.ledger.finish import succeed
from reelmill.ledger.roles import Access, give_login, grant
from reelmill.ledger.submit import NewBatch
from tests.integration.ledger.helpers import result, spec, submit, take
from tests.services import Databases

FOLDER = Path(__file__).parents[3] / "dashboards" / "superset" / "datasets" / "reelmill"
DATASETS = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yaml"))]
BY_NAME = {dataset["table_name"]: dataset for dataset in DATASETS}
ROLE = "superset_datasets_reader"
# By the driver's names of types.
KINDS = {
    "TIMESTAMP WITH TIME ZONE": {"timestamptz"},
    "DOUBLE PRECISION": {"float8", "float4", "numeric"},
    "BIGINT": {"int8", "int4", "int2", "numeric"},
    "TEXT": {"text", "uuid", "varchar"},
}
NO_TIME = SimpleNamespace(from_expr=None, to_expr=None)


@pytest.fixture(scope="module")
def reader(databases: Databases) -> Iterator[psycopg.Connection]:
    """A reader's connection to a mill in which one object was captioned as a cat; in UTC, as Superset's is."""
    with databases.fresh("superset_datasets") as url:
        db = Database(url)
        submit(db, spec("1.jpg"), batch=NewBatch(name="night"))
        assert succeed(db, take(db).lease, result("a cat's nap"))
        give_login(db, ROLE, "it's-\\secret")
        grant(db, ROLE, Access.READER)
        as_reader = make_url(url).set(username=ROLE, password="it's-\\secret").render_as_string(hide_password=False)
        with psycopg.connect(as_reader, autocommit=True, options="-c timezone=UTC") as connection:
            yield connection
        db.close()
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(f"DROP OWNED BY {ROLE}")
            owner.execute(f"DROP ROLE {ROLE}")


def rendered(dataset: dict[str, Any], time: SimpleNamespace = NO_TIME, *searched: str) -> bytes:
    """The SQL as Superset makes it of the template."""
    environment = Environment(autoescape=False)
    environment.filters["where_in"] = lambda values: "({})".format(
        ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    )
    functions = {
        "get_time_filter": lambda column, default=None, target_type=None, remove_filter=False: time,
        "filter_values": lambda column, remove_filter=False: list(searched) if column == "search" else [],
    }
    return f"SELECT * FROM ({environment.from_string(dataset['sql']).render(functions)}) AS virtual_table".encode()


def between(start: str, end: str) -> SimpleNamespace:
    form = "TO_TIMESTAMP('{}', 'YYYY-MM-DD HH24:MI:SS.US')"
    return SimpleNamespace(from_expr=form.format(start), to_expr=form.format(end))


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: str(dataset["table_name"]))
@pytest.mark.parametrize("time", [NO_TIME, between("2020-01-01 00:00:00.000000", "2020-02-01 00:00:00.000000")])
def test_the_columns_are_those_that_the_dataset_names(
    reader: psycopg.Connection, dataset: dict[str, Any], time: SimpleNamespace
) -> None:
    cursor = reader.execute(rendered(dataset, time))
    found = {column.name: reader.adapters.types[column.type_code].name for column in cursor.description or ()}
    assert list(found) == [column["column_name"] for column in dataset["columns"]]
    wrong = {
        column["column_name"]: found[column["column_name"]]
        for column in dataset["columns"]
        if found[column["column_name"]] not in KINDS[column["type"]]
    }
    assert wrong == {}


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: str(dataset["table_name"]))
def test_the_metrics_can_be_computed(reader: psycopg.Connection, dataset: dict[str, Any]) -> None:
    for metric in dataset["metrics"]:
        source = rendered(dataset).replace(b"SELECT *", f"SELECT {metric['expression']}".encode(), 1)
        assert len(reader.execute(source).fetchall()) == 1


@pytest.mark.parametrize("name", sorted(name for name in BY_NAME if "get_time_filter" in BY_NAME[name]["sql"]))
def test_nothing_was_there_before_the_mill(reader: psycopg.Connection, name: str) -> None:
    before = between("2020-01-01 00:00:00.000000", "2020-02-01 00:00:00.000000")
    assert reader.execute(rendered(BY_NAME[name], before)).fetchall() == []


@pytest.mark.parametrize(
    ("searched", "found"),
    [
        ((), 2),
        (("cat nap",), 2),
        (("cats", "naps"), 2),
        (("cats", "dog"), 0),
        (('"nap cat"',), 0),
        (("it's'); DROP TABLE jobs; --",), 0),
    ],
)
def test_search_finds_words_and_quotes_do_no_harm(
    reader: psycopg.Connection, searched: tuple[str, ...], found: int
) -> None:
    assert len(reader.execute(rendered(BY_NAME["captions"], NO_TIME, *searched)).fetchall()) == found
