"""What each role may and may not do, tried with connections of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from sqlalchemy import make_url

from reelmill import Caption, Client, DatabaseForbiddenError
from reelmill.embedded import ServiceUrls
from reelmill.errors import RoleError
from reelmill.ledger.database import Database
from reelmill.ledger.roles import Access, give_login, grant
from tests.pictures import noise_png
from tests.services import S3Server
from tests.workers import running_worker, wait_until

_serial = itertools.count()


@dataclass(frozen=True)
class Role:
    name: str
    url: str


MakeRole = Callable[[Access], Role]

RESULT = (
    "INSERT INTO captions (job_id, segment, task, text, raw_text, finish_reason, prompt_tokens, output_tokens)"
    " SELECT id, 0, 0, 'forged', 'forged', 'stop', 1, 1 FROM jobs"
)
DDL = "CREATE TABLE mine (id integer)"


@pytest.fixture
def ledger(mill: ServiceUrls) -> Iterator[Database]:
    database = Database(mill.database_url, pool_size=1)
    yield database
    database.close()


@pytest.fixture
def make_role(mill: ServiceUrls, ledger: Database) -> Iterator[MakeRole]:
    """Makes a role with this access."""
    made: list[str] = []
    with psycopg.connect(mill.database_url, autocommit=True) as owner:

        def make(access: Access) -> Role:
            role = f"some-{access}-{next(_serial)}"
            owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(sql.Identifier(role)))
            made.append(role)
            grant(ledger, role, access)
            url = make_url(mill.database_url).set(username=role, password="secret")
            return Role(role, url.render_as_string(hide_password=False))

        yield make
        for role in made:
            owner.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


def refused(url: str, statement: str, error: type[psycopg.Error] = InsufficientPrivilege) -> bool:
    with psycopg.connect(url) as connection, pytest.raises(error):
        connection.execute(statement)
    return True


def views(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'reelmill'")]


def test_a_producer_submits_follows_cancels_and_retries_but_forges_nothing(
    mill: ServiceUrls, make_role: MakeRole, tmp_path: Path
) -> None:
    url = make_role(Access.PRODUCER).url
    client = Client(url, mill.redis_url)

    batch = client.submit_many([{"media": f"s3://b/{n}.png", "tasks": [Caption()]} for n in range(100)])
    assert batch.status.queued == 100
    assert batch.cancel() == 100
    assert batch.retry_failed() == 100
    assert not list(batch.errors())
    batch.notify("https://hooks.example.com/done")
    batch.export_to("s3://archive/results/")
    batch.export_to("s3://archive/results/")
    (tmp_path / "lines.jsonl").write_text('{"uri": "s3://b/m.png"}\n{"uri": "ftp://b/m.png"}\n')
    manifest = client.submit_manifest(tmp_path / "lines.jsonl", tasks=[Caption()])
    assert (manifest.status.queued, len(list(manifest.line_problems()))) == (1, 1)
    for delete in (lambda: client.purge("0s", uris=["s3://b/1.png"]), lambda: client.forget(batch=batch)):
        with pytest.raises(DatabaseForbiddenError, match="permission denied for table"):
            delete()
    assert batch.status.total == 100

    assert refused(url, RESULT)
    assert refused(url, "UPDATE jobs SET lease_token = gen_random_uuid()")
    assert refused(url, "DELETE FROM jobs")
    assert refused(url, "UPDATE media SET uri = 's3://other/one.png'")
    assert refused(url, "INSERT INTO workers (id) VALUES ('x')")
    assert refused(url, "UPDATE exports SET files = '[]'")
    assert refused(url, "UPDATE exports SET lease_token = gen_random_uuid()")
    assert refused(url, DDL)
    assert refused(url, "UPDATE alembic_version SET version_num = '9999'")


def test_a_worker_works_but_changes_no_table(
    mill: ServiceUrls, make_role: MakeRole, s3_server: S3Server, tmp_path: Path
) -> None:
    url = make_role(Access.WORKER).url
    results = f"s3://{s3_server.bucket}/roles/results/"
    with running_worker(tmp_path / "worker.log", database_url=url, export_prefixes=f'["{results}"]') as worker:
        job = {"media": s3_server.put("roles/a.png", noise_png(1)), "tasks": [Caption()]}
        batch = Client().submit_many([job], export_to=results)
        assert batch.wait(timeout=90, progress=False).succeeded == 1, worker.log()
        wait_until(lambda: batch.exports()[0].state == "succeeded", why=worker.log)
        assert "secret" not in worker.log()
        assert worker.terminate() == 0

    assert refused(url, DDL)
    assert refused(url, "DROP TABLE captions")
    assert refused(url, "ALTER TABLE jobs ADD COLUMN mine integer")
    assert refused(url, "UPDATE alembic_version SET version_num = '9999'")


def test_a_reader_sees_views_alone_and_cannot_write_or_run_forever(mill: ServiceUrls, make_role: MakeRole) -> None:
    url = make_role(Access.READER).url
    with psycopg.connect(url) as connection:
        for view in views(mill.database_url):
            connection.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(view)))
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1min",)
    assert views(mill.database_url)

    assert refused(url, "SELECT * FROM public.jobs")
    assert refused(url, "SELECT * FROM public.captions")
    assert refused(url, "SET search_path = public; " + RESULT, ReadOnlySqlTransaction)
    assert refused(url, "CREATE SCHEMA mine", ReadOnlySqlTransaction)
    assert refused(url, "SET transaction_read_only = off; DELETE FROM public.jobs")
    assert refused(url, "SET transaction_read_only = off; CREATE TABLE reelmill.mine (id integer)")


def test_a_table_of_a_later_migration_is_included(mill: ServiceUrls, make_role: MakeRole) -> None:
    worker, producer, reader = (make_role(access).url for access in (Access.WORKER, Access.PRODUCER, Access.READER))
    with psycopg.connect(mill.database_url) as owner:
        owner.execute("CREATE TABLE public.later (id integer); CREATE VIEW reelmill.later AS SELECT * FROM later")
    for url, statement in ((worker, "DELETE FROM later"), (producer, "SELECT * FROM later")):
        with psycopg.connect(url) as connection:
            connection.execute(statement)
    with psycopg.connect(reader) as connection:
        connection.execute("SELECT * FROM later")
    assert refused(reader, "SELECT * FROM public.later")


def test_another_access_takes_the_place_of_the_first(ledger: Database, make_role: MakeRole) -> None:
    role = make_role(Access.WORKER)
    grant(ledger, role.name, Access.PRODUCER)
    assert refused(role.url, "DELETE FROM jobs")


def test_who_was_a_reader_may_write_as_a_worker(ledger: Database, make_role: MakeRole) -> None:
    role = make_role(Access.READER)
    grant(ledger, role.name, Access.WORKER)
    with psycopg.connect(role.url) as connection:
        connection.execute("DELETE FROM jobs")
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_what_cannot_be_granted_is_said(ledger: Database, make_role: MakeRole) -> None:
    with pytest.raises(RoleError, match=r'there is no such role.*CREATE ROLE "nobody"'):
        grant(ledger, "nobody", Access.READER)
    with pytest.raises(RoleError, match=r"superuser|owns the tables"):
        grant(ledger, str(ledger.url.username), Access.READER)

    stranger = Database(make_role(Access.PRODUCER).url, pool_size=1)
    with pytest.raises(DatabaseForbiddenError, match="owner of the tables"):
        grant(stranger, make_role(Access.WORKER).name, Access.WORKER)
    stranger.close()


def test_a_login_is_made_with_its_password_and_later_gets_another_one(ledger: Database, mill: ServiceUrls) -> None:
    role = f'a-"login"-{next(_serial)}'
    url = make_url(mill.database_url).set(username=role)
    for password in ("it's-one", "another\\one"):
        give_login(ledger, role, password)
        with psycopg.connect(url.set(password=password).render_as_string(hide_password=False)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)
    with psycopg.connect(mill.database_url, autocommit=True) as owner:
        stored = owner.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role]).fetchone()
        owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    assert stored is not None
    assert stored[0].startswith("SCRAM-SHA-256$")


def test_only_who_may_make_roles_makes_a_login(make_role: MakeRole) -> None:
    producer = Database(make_role(Access.PRODUCER).url, pool_size=1)
    with pytest.raises(DatabaseForbiddenError):
        give_login(producer, "somebody", "secret")
    producer.close()


def test_a_viewer_reads_tables_and_views_and_writes_nothing(mill: ServiceUrls, make_role: MakeRole) -> None:
    client = Client(mill.database_url, mill.redis_url)
    batch = client.submit_many([{"media": "s3://b/a.png", "tasks": [Caption()]}])
    url = make_role(Access.VIEWER).url

    assert Client(url, mill.redis_url).batch(batch.id).status.queued == 1
    assert len(views(url)) > 5
    assert refused(url, "DELETE FROM jobs", ReadOnlySqlTransaction)
    assert refused(url, "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; COMMIT; DELETE FROM jobs")
    assert refused(url, DDL, ReadOnlySqlTransaction)
