"""The page about SQL says nothing that does not run, and shows the columns that come."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from reelmill.ledger import analyst
from reelmill.ledger.database import Database
from reelmill.ledger.finish import fail, succeed
from reelmill.ledger.submit import NewBatch
from reelmill.schema import CaptionResult
from tests.integration.ledger.helpers import LastingError, result, spec, submit, take, words
from tests.services import Databases

PAGE = (Path(__file__).parents[3] / "docs" / "sql.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```sql\n(.*?)^```\n\n```\n(.*?)\n", PAGE, re.S | re.M)


@pytest.fixture(scope="module")
def worked(databases: Databases) -> Iterator[str]:
    with databases.fresh("sql_page") as url:
        db = Database(url)
        media = [(f"file:///srv/walk/media/{name}",) for name in ("vid_0001.mp4", "img_0001.png", "img_0009.png")]
        submit(db, *(spec(media=uris) for uris in media), batch=NewBatch(name="first night"))
        found = replace(result(), captions=(CaptionResult(0, 0, words("A green star moves left")),))
        image = replace(found.media[0], kind="image")
        assert succeed(db, take(db).lease, found)
        assert succeed(db, take(db).lease, replace(found, media=(image,)))
        assert fail(db, take(db).lease, LastingError("cannot be read"))
        yield url
        db.close()


@pytest.mark.parametrize(("query", "header"), EXAMPLES)
def test_the_query_answers_with_the_columns_that_the_page_shows(worked: str, query: str, header: str) -> None:
    with psycopg.connect(worked) as connection:
        cursor = connection.execute(query.encode())
        assert [column.name for column in cursor.description or ()] == [name.strip() for name in header.split("|")]
        assert cursor.fetchall()


def test_every_query_is_shown_with_its_answer_and_every_view_is_named() -> None:
    assert len(EXAMPLES) == PAGE.count("```sql") > 10
    assert [name for name in analyst.view_names() if f"`{name}`" not in PAGE] == []
