"""The connection: what breaks it becomes a typed error, and the next use works again."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from benchmarks.chaos.proxy import proxy_to
from reelmill.errors import DatabaseUnavailableError, SchemaOutOfDateError, SettingsError
from reelmill.ledger import database as database_module
from reelmill.ledger.database import Database, database_url
from tests.integration.ledger.helpers import one, spec, submit


def kill_connections(db: Database, keep: Database) -> None:
    with keep.transaction() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


def test_a_database_that_does_not_answer_is_a_typed_error_without_the_password() -> None:
    db = Database("postgresql://someone:hunter2@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseUnavailableError, match="reelmill up") as caught, db.transaction():
        pass
    assert "someone:***@127.0.0.1:1/nowhere" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://a:hunter2@b/c", "postgresql://a:hunter2@b:port/c"])
def test_what_is_not_a_postgres_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="REELMILL_DATABASE_URL") as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_usual_schemes_mean_psycopg(scheme: str) -> None:
    assert database_url(f"{scheme}://u@h/d").drivername == "postgresql+psycopg"


def test_what_the_url_says_goes_before_our_limits(database_url: str) -> None:
    db = Database(f"{database_url}?application_name=theirs&connect_timeout=3")
    assert one(db, "SHOW application_name") == "theirs"
    db.close()


def test_a_connection_cut_while_in_use_is_a_typed_error_and_the_next_transaction_works(
    db: Database, database_url: str
) -> None:
    mine, other = Database(database_url), Database(database_url)

    def work_on_a_cut_connection() -> None:
        with mine.transaction() as connection:
            kill_connections(mine, other)
            connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailableError):
        work_on_a_cut_connection()
    assert one(mine, "SELECT 1") == 1
    mine.close()
    other.close()


def test_a_connection_that_died_while_idle_is_replaced_without_an_error(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "IDLE_BEFORE_PING_S", 0.0)
    mine, other = Database(database_url), Database(database_url)
    assert one(mine, "SELECT 1") == 1
    kill_connections(mine, other)
    assert one(mine, "SELECT 1") == 1
    with mine.statement() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    mine.close()
    other.close()


def test_the_first_row_comes_by_its_columns_and_each_statement_is_committed(database_url: str) -> None:
    mine, other = Database(database_url), Database(database_url)
    added = text("INSERT INTO models (name, path, family, dtype) VALUES (:name, 'p', 'f', 'd') RETURNING name, path")
    assert mine.first(added, {"name": "50% m"}) == {"name": "50% m", "path": "p"}
    assert one(other, "SELECT name FROM models") == "50% m"
    assert mine.first(text("SELECT 1 WHERE :never"), {"never": False}) is None
    with mine.transaction() as connection:
        connection.execute(text("DELETE FROM models"))
        assert one(other, "SELECT count(*) FROM models") == 1
    mine.close()
    other.close()


def test_a_dead_connection_takes_those_beside_it_out_of_the_pool(database_url: str) -> None:
    mine, other = Database(database_url), Database(database_url)
    with mine.transaction() as one_of_two, mine.transaction() as another:
        for connection in (one_of_two, another):
            connection.execute(text("SELECT 1"))
    kill_connections(mine, other)
    with pytest.raises(DatabaseUnavailableError, match="terminating connection"):
        mine.first(text("SELECT 1"), {})
    with mine.transaction() as fresh:
        assert fresh.scalar(text("SELECT 1")) == 1
        assert mine.first(text("SELECT 1 AS found"), {}) == {"found": 1}
    mine.close()
    other.close()


def test_a_first_row_that_fails_is_the_same_typed_error_and_harms_no_later_statement(database_url: str) -> None:
    mine = Database(database_url)
    with pytest.raises(SchemaOutOfDateError, match="nowhere"):
        mine.first(text("SELECT 1 FROM nowhere"), {})
    with pytest.raises(psycopg.errors.DivisionByZero):
        mine.first(text("SELECT 1 / 0"), {})
    assert one(mine, "SELECT 1") == 1
    mine.close()


def test_a_pool_whose_connections_are_all_busy_is_a_typed_error(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "POOL_TIMEOUT_S", 0.05)
    small = Database(database_url, pool_size=1)
    with small.transaction(), small.transaction(), pytest.raises(DatabaseUnavailableError, match="busy"):
        one(small, "SELECT 1")
    small.close()


def test_an_exception_rolls_the_transaction_back(db: Database) -> None:
    def fail_after_writing() -> None:
        with db.transaction() as connection:
            connection.execute(text("INSERT INTO models (name, path, family, dtype) VALUES ('m', 'p', 'f', 'd')"))
            raise KeyError("on the way")

    with pytest.raises(KeyError):
        fail_after_writing()
    assert one(db, "SELECT count(*) FROM models") == 0


@pytest.mark.parametrize(
    "change",
    [
        "state = 'running'",
        "state = 'dreaming'",
        "state = 'failed'",
        "lease_token = gen_random_uuid(), lease_expires_at = now()",
        "error_code = 'x'",
    ],
)
def test_the_tables_refuse_states_that_cannot_be(db: Database, change: str) -> None:
    (job_id,) = submit(db, spec())
    with pytest.raises(IntegrityError), db.transaction() as connection:
        connection.execute(text(f"UPDATE jobs SET {change} WHERE id = :id"), {"id": job_id})


def test_a_database_that_falls_silent_is_given_up_and_the_next_statement_goes_over_a_new_connection(
    database_url: str,
) -> None:
    parts = urlsplit(database_url)
    with proxy_to(parts.port or 5432) as proxy:
        behind = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}"))
        db = Database(behind.geturl(), silence_s=0.5)
        assert one(db, "SELECT 1") == 1
        proxy.swallow()
        with pytest.raises(DatabaseUnavailableError, match=r"no answer from the database for 0\.5 s"):
            one(db, "SELECT 2")
        assert one(db, "SELECT 3") == 3
        db.close()
