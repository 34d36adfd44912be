"""The README says nothing that does not run: its console, Python and SQL blocks, top to bottom, as one shell script."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reelmill.embedded import down
from tests.pictures import noise_png
from tests.services import S3Server
from tests.workers import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(console|python|sql)\n(.*?)^```$", re.S | re.M)
QUERY = """
import sys, psycopg
from reelmill.embedded import locate
rows = psycopg.connect(locate().database_url).execute(open(sys.argv[1]).read()).fetchall()
sys.exit(not rows and "no rows: " + sys.argv[1])
"""


@pytest.mark.timeout(300)
def test_every_command_and_snippet_of_the_readme_runs(s3_server: S3Server, tmp_path: Path) -> None:
    s3_server.client.create_bucket(Bucket="archive")
    s3_server.client.put_object(Bucket="archive", Key="img_0001.png", Body=noise_png(1))
    (tmp_path / "demo").symlink_to(REPOSITORY / "demo")
    script = tmp_path / "readme.sh"
    script.write_text("set -eux\ntrap 'kill %1 2> /dev/null; wait' EXIT\n" + "\n".join(_commands(tmp_path)))
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "REELMILL_HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": "1",
    }
    try:
        run = subprocess.run(
            ["bash", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=240
        )
    finally:
        down(tmp_path / "home", purge=True)
    worker_log = tmp_path / "worker.log"
    assert run.returncode == 0, run.stdout + run.stderr + (worker_log.read_text() if worker_log.exists() else "")
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_make_targets_that_the_readme_names_exist() -> None:
    for target in set(re.findall(r"\bmake (\w+)", README)):
        subprocess.run(["make", "-n", target], cwd=REPOSITORY, check=True, capture_output=True)


def test_every_file_that_the_readme_links_is_there() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (REPOSITORY / link).exists(), link


def _commands(folder: Path) -> Iterator[str]:
    """The blocks as commands; the first one, Python, waits for the services that the walk starts."""
    query = folder / "query.py"
    query.write_text(QUERY)
    blocks = [(match[1], match[2]) for match in BLOCK.finditer(README)]
    first_console = next(place for place, (kind, _) in enumerate(blocks) if kind == "console")
    for number, (kind, text) in enumerate(
        [blocks[first_console], *blocks[:first_console], *blocks[first_console + 1 :]]
    ):
        if kind == "console":
            yield from (line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ "))
        else:
            snippet = folder / f"block{number}.{kind}"
            snippet.write_text(text)
            yield f"python {snippet}" if kind == "python" else f"python {query} {snippet}"
