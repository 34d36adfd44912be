"""docs/schedules.md says nothing that does not run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from sqlalchemy import text

from reelmill.ledger.database import Database
from reelmill.ledger.scans import cancel_scan
from reelmill.ledger.views import list_batches
from tests.integration.cli.commands import reelmill

PAGE = (Path(__file__).parents[3] / "docs" / "schedules.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.usefixtures("mill")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.S | re.M)
    return found


def test_the_commands_of_the_page_run() -> None:
    lines = block("sh").replace("\\\n", "").splitlines()
    commands = [re.sub(r"^reelmill wait \$\((.*)\)$", r"\1", line) for line in lines]
    ran = [reelmill(*shlex.split(command)[1:]) for command in commands]
    assert [(each.code, each.err) for each in ran if each.code] == []
    assert len(ran) == 7


def test_the_python_and_the_query_of_the_page_run(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("python"), "docs/schedules.md", "exec"), {})
    assert "scanning 0 0" in capsys.readouterr().out
    with database.transaction() as connection:
        (row,) = connection.execute(text(block("sql")))
    assert (row.state, row.listed) == ("scanning", 0)
    assert cancel_scan(database, list_batches(database)[0].id)
