"""What `make dashboards` and its check decide without a Superset."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from pathlib import Path

from dashboards.browser import Answer, read_answer
from dashboards.check import problems
from dashboards.environment import REQUIREMENTS, Secrets


def test_secrets_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = Secrets.of(path)
    assert Secrets.of(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({made.key, made.admin, made.reader}) == 3
    assert len(made.key) > 40


def test_every_requirement_is_pinned() -> None:
    lines = [line for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert "apache_superset==6.1.0" in lines
    assert [line for line in lines if "==" not in line] == []


def test_an_answer_without_rows_or_with_an_error_is_a_problem() -> None:
    rows = read_answer(1, {"result": [{"data": [{"jobs": 3}], "error": None}]})
    error = read_answer(2, {"result": [{"data": None, "error": "no such column"}]})
    refused = read_answer(3, {"errors": [{"message": "forbidden"}]})
    empty = read_answer(4, {"result": [{"data": [], "error": None}]})

    found = problems(
        {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"},
        {each.chart: each for each in (rows, error, refused, empty)},
    )

    assert rows == Answer(1, ({"jobs": 3},), None)
    assert found[:1] + found[2:] == ["two: no such column", "four: no rows", "five: was not asked for"]
    assert "forbidden" in found[1]


def test_a_port_that_is_taken_and_a_mill_that_is_not_there_are_said_before_anything_is_installed(
    tmp_path: Path,
) -> None:
    def said(*arguments: str) -> str:
        command = [sys.executable, "-m", "dashboards", "--home", str(tmp_path / "superset"), *arguments]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 1
        return ran.stderr

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "something else listens there" in said("--port", str(taken.getsockname()[1]))
    assert "no database is named" in said("--port", "0")
    assert not (tmp_path / "superset" / "bin").exists()
