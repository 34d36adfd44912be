"""The migrations make exactly the tables that the code describes, once, whoever runs them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import migrations
from reelmill.errors import DatabaseUnavailableError, SchemaOutOfDateError
from reelmill.ledger.database import SCHEMA_VERSION, Database
from reelmill.ledger.migrate import newest, upgrade
from reelmill.ledger.tables import metadata
from tests.services import Databases

MIGRATION_LOCK = 0x7265_656C_6D69_6701
"""As in migrations/env.py, which only Alembic can import."""

CATALOG = """
    SELECT 'column', table_name, column_name, data_type || ' ' || udt_name || ' ' || is_nullable || ' '
           || coalesce(column_default, '')
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass
    UNION ALL
    SELECT 'index', tablename, indexname, indexdef
    FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    UNION ALL
    SELECT 'options', relname, '', array_to_string(reloptions, ',')
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
    ORDER BY 1, 2, 3, 4
"""


def catalog(db: Database) -> list[tuple[Any, ...]]:
    with db.transaction() as connection:
        return [tuple(row) for row in connection.execute(text(CATALOG))]


def test_the_migrated_tables_are_the_described_ones_to_the_last_index(
    database_url: str, empty_database_url: str
) -> None:
    migrated, described = Database(database_url), Database(empty_database_url)
    with described.transaction() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
        metadata.create_all(connection)
    assert catalog(migrated) == catalog(described)
    with migrated.transaction() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrated.close()
    described.close()


def test_the_code_is_written_for_the_newest_migration() -> None:
    assert newest() == SCHEMA_VERSION


MIGRATE = "import sys; from reelmill.ledger.migrate import upgrade; upgrade(sys.argv[1])"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def test_migrators_wait_for_each_other_and_all_succeed(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    with db.transaction() as first, db.transaction() as observer:
        first.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        migrators = [
            subprocess.Popen([sys.executable, "-c", MIGRATE, empty_database_url], stderr=subprocess.PIPE)
            for _ in range(2)
        ]
        while observer.scalar(text(WAITING)) < 2:
            assert all(migrator.poll() is None for migrator in migrators), "a migrator did not wait"
            time.sleep(0.05)
        assert observer.scalar(text("SELECT to_regclass('jobs')")) is None
    outcomes = [(migrator.communicate(timeout=60)[1], migrator.returncode) for migrator in migrators]
    assert [code for _, code in outcomes] == [0, 0], outcomes
    db.check_schema()
    db.close()


def test_migrating_again_changes_nothing(database_url: str) -> None:
    db = Database(database_url)
    before = catalog(db)
    upgrade(database_url)
    assert catalog(db) == before
    db.close()


def test_a_migration_that_fails_leaves_nothing_behind(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    with db.transaction() as connection:
        connection.execute(text("CREATE TABLE boxes ()"))
    with pytest.raises(Exception, match="boxes"):
        upgrade(empty_database_url)
    with db.transaction() as connection:
        assert connection.scalar(text("SELECT to_regclass('jobs')")) is None
    db.close()


def test_missing_tables_are_a_clear_error_of_check_and_of_every_verb(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    with pytest.raises(SchemaOutOfDateError, match="reelmill migrate"):
        db.check_schema()
    with pytest.raises(SchemaOutOfDateError, match="jobs"), db.transaction() as connection:
        connection.execute(text("SELECT * FROM jobs"))
    db.close()


@pytest.mark.parametrize(("version", "advice"), [("0000", "reelmill migrate"), ("9999", "newer reelmill")])
def test_tables_of_another_version_are_a_clear_error(databases: Databases, version: str, advice: str) -> None:
    with databases.fresh(f"version_{version}") as url:
        db = Database(url)
        with db.transaction() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
            connection.execute(text("COMMENT ON TABLE alembic_version IS NULL"))
        with pytest.raises(SchemaOutOfDateError, match=advice):
            db.check_schema()
        db.close()


def test_each_migration_names_a_version_up_to_its_own_as_the_oldest_that_it_serves() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    for revision in scripts.walk_revisions():
        compatible_from = getattr(revision.module, "compatible_from", revision.revision)
        assert "0001" <= compatible_from <= revision.revision, revision.path


def test_migrating_a_database_that_does_not_answer_is_a_clear_error() -> None:
    with pytest.raises(DatabaseUnavailableError) as caught:
        upgrade("postgresql://someone:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(caught.value)
