"""Indexes that are built beside the migrations: concurrently, once, and again where a build was cut off."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg

from reelmill.ledger.database import Database
from reelmill.ledger.migrate import upgrade
from reelmill.ledger.online_indexes import build_online_indexes

VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'captions_words_idx'::regclass"
WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock' AND datname = current_database()
"""


def test_the_build_lets_writers_write(database_url: str) -> None:
    db = Database(database_url)
    with psycopg.connect(database_url) as writer:
        writer.execute("DROP INDEX captions_words_idx")
        writer.commit()
        # A transaction that has written to the table: an ordinary build would wait for it and hold up all others.
        writer.execute("LOCK TABLE captions IN ROW EXCLUSIVE MODE")
        with ThreadPoolExecutor() as pool, psycopg.connect(database_url, autocommit=True) as other:
            building = pool.submit(build_online_indexes, db)
            while other.execute(WAITING).fetchone() == (0,):
                assert not building.done()
            other.execute("SET lock_timeout = '20s'")
            other.execute("DELETE FROM captions")
            writer.commit()
            assert building.result(timeout=60) == ["captions_words_idx"]
    db.close()


def test_what_a_cut_off_build_left_is_built_again(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'captions_words_idx'::regclass")
        upgrade(database_url)
        assert connection.execute(VALID).fetchone() == (True,)


def test_builders_wait_for_each_other_and_build_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(3)]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP INDEX captions_words_idx, jobs_failed_idx")
    with ThreadPoolExecutor() as pool:
        built = list(pool.map(build_online_indexes, databases))
    assert sorted(name for names in built for name in names) == ["captions_words_idx", "jobs_failed_idx"]
    for db in databases:
        db.close()
