"""Upgrades without a pause: the tables first, then the workers, one by one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reelmill import Caption, Client, SchemaOutOfDateError
from reelmill.embedded import ServiceUrls
from reelmill.ledger.database import SCHEMA_VERSION
from reelmill.ledger.migrate import upgrade
from tests.pictures import noise_png
from tests.workers import REPOSITORY, TINY_MODEL, rows, running_worker

NEXT, AFTER_NEXT = (f"{int(SCHEMA_VERSION) + steps:04}" for steps in (1, 2))
REVISION = '''
from alembic import op

revision = "{revision}"
down_revision = "{down_revision}"
compatible_from = "{compatible_from}"


def upgrade() -> None:
    op.execute("""{statements}""")
'''
ADDITIVE = """
    CREATE TABLE moods (name text PRIMARY KEY);
    ALTER TABLE jobs ADD COLUMN mood text DEFAULT 'calm' NOT NULL;
    ALTER TABLE media ADD COLUMN seen_at timestamptz;
    ALTER TABLE captions ADD COLUMN mood text;
    ALTER TABLE models ADD COLUMN mood text;
"""
BREAKING = "ALTER TABLE jobs RENAME COLUMN worker_id TO held_by"


class NextRelease:
    """The `migrations` of a release to come: those of today and more."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        shutil.copytree(REPOSITORY / "migrations", directory / "migrations")

    def add(self, revision: str, *, compatible_from: str, statements: str) -> None:
        content = REVISION.format(
            revision=revision,
            down_revision=f"{int(revision) - 1:04}",
            compatible_from=compatible_from,
            statements=statements,
        )
        (self._directory / "migrations" / "versions" / f"r{revision}_later.py").write_text(content)

    def migrate(self) -> None:
        command = [sys.executable, "-m", "reelmill", "migrate"]
        subprocess.run(command, cwd=self._directory, check=True, capture_output=True, timeout=60)


@pytest.fixture
def next_release(tmp_path: Path) -> NextRelease:
    return NextRelease(tmp_path)


def refusal() -> str:
    """What a worker says that does not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "reelmill", "worker", "--model", str(TINY_MODEL)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    return " ".join(ended.stderr.split())


def work_one(media_dir: Path, name: str) -> None:
    path = media_dir / f"{name}.png"
    path.write_bytes(noise_png(1))
    job = Client().submit(path, tasks=[Caption()])
    job.wait(timeout=90)
    assert job.results().captions[0].text


def test_old_workers_work_on_over_an_additive_migration_and_start_on_it(
    mill: ServiceUrls, media_dir: Path, tmp_path: Path, next_release: NextRelease
) -> None:
    next_release.add(NEXT, compatible_from=SCHEMA_VERSION, statements=ADDITIVE)
    with running_worker(tmp_path / "before.log") as worker:
        work_one(media_dir, "before")
        next_release.migrate()
        assert rows(mill.database_url, "SELECT version_num FROM alembic_version") == [(NEXT,)]
        work_one(media_dir, "after")
        assert worker.terminate() == 0
        assert "Traceback" not in worker.log()
    with running_worker(tmp_path / "again.log") as worker:
        work_one(media_dir, "again")
        assert worker.terminate() == 0


def test_old_code_refuses_tables_that_no_longer_serve_it_and_says_so(
    mill: ServiceUrls, next_release: NextRelease
) -> None:
    next_release.add(NEXT, compatible_from=NEXT, statements=BREAKING)
    next_release.add(AFTER_NEXT, compatible_from=SCHEMA_VERSION, statements="CREATE TABLE more ()")
    next_release.migrate()
    said = refusal()
    assert f"serve code from version {NEXT} on" in said
    assert "Install a newer reelmill" in said
    with pytest.raises(SchemaOutOfDateError, match=f"this reelmill is of version {SCHEMA_VERSION}"):
        Client()
    with pytest.raises(SchemaOutOfDateError, match="install the reelmill that migrated them"):
        upgrade(mill.database_url)


def test_a_new_worker_refuses_old_tables_and_says_how_to_mend_them(
    empty_database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(empty_database_url, "0001")
    monkeypatch.setenv("REELMILL_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("REELMILL_REDIS_URL", redis_url)
    said = refusal()
    assert f"the tables are at version 0001, this reelmill needs {SCHEMA_VERSION}" in said
    assert "Run `reelmill migrate`" in said
