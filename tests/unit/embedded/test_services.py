from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis

from reelmill.embedded import ServiceUrls, account, down, locate, psql_command, up
from reelmill.embedded.redis_server import WHEEL as REDIS_WHEEL
from reelmill.errors import EmbeddedServicesError

UP = "import sys; from pathlib import Path; from reelmill.embedded import up; print(up(Path(sys.argv[1])).database_url)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("embedded")
    yield directory
    down(directory, purge=True)


@pytest.fixture
def urls(home: Path) -> ServiceUrls:
    return up(home)


def test_nothing_is_located_before_the_first_up(tmp_path: Path) -> None:
    assert locate(tmp_path) is None
    assert down(tmp_path) is False


def test_services_survive_the_process_that_started_them_and_a_second_up_finds_them(home: Path) -> None:
    started = subprocess.run([sys.executable, "-c", UP, str(home)], capture_output=True, text=True, check=True)

    assert up(home).database_url == started.stdout.strip()
    assert locate(home) == up(home)


def test_many_callers_at_once_get_the_same_services(home: Path) -> None:
    down(home)

    with ThreadPoolExecutor(4) as pool:
        children = pool.map(
            lambda _: subprocess.run([sys.executable, "-c", UP, str(home)], capture_output=True, text=True, check=True),
            range(4),
        )
        printed = {child.stdout.strip() for child in children}

    assert printed == {up(home).database_url}


def test_rows_and_urls_are_there_again_after_down_and_up(home: Path, urls: ServiceUrls) -> None:
    with psycopg.connect(urls.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")

    assert down(home) is True
    assert locate(home) is None
    assert down(home) is False

    assert up(home) == urls
    with psycopg.connect(urls.database_url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_a_purge_deletes_the_data_even_when_the_note_about_it_is_lost(home: Path) -> None:
    with psycopg.connect(up(home).database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS doomed (n int)")
    down(home)
    (home / "services.json").unlink()

    down(home, purge=True)

    with psycopg.connect(up(home).database_url) as connection:
        assert connection.execute("SELECT to_regclass('doomed')").fetchone() == (None,)


def test_up_revives_the_service_that_died_and_leaves_the_other(home: Path, urls: ServiceUrls) -> None:
    with psycopg.connect(urls.database_url) as connection:
        before = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
    with redis.Redis.from_url(urls.redis_url) as client:
        client.shutdown(nosave=True)
    assert locate(home) is None

    revived = up(home)

    with redis.Redis.from_url(revived.redis_url) as client:
        assert client.ping()
    with psycopg.connect(revived.database_url) as connection:
        assert connection.execute("SELECT pg_postmaster_start_time()").fetchone() == before


def test_neither_service_answers_without_its_password(urls: ServiceUrls) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(urls.database_url.replace(urls.database_url.split("@")[0], "postgresql://reelmill:wrong"))
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(urls.redis_url.replace(urls.redis_url.split("@")[0], "redis://:wrong")).ping()


def test_redis_refuses_writes_when_full_instead_of_dropping_bells(urls: ServiceUrls) -> None:
    with redis.Redis.from_url(urls.redis_url, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_the_note_with_the_password_is_closed_to_other_users(home: Path, urls: ServiceUrls) -> None:
    note = home / "services.json"

    assert json.loads(note.read_text())["database_url"] == urls.database_url
    assert note.stat().st_mode & 0o077 == 0


def test_psql_opens_on_the_printed_command(urls: ServiceUrls) -> None:
    done = subprocess.run(
        psql_command(urls) + " -Atc 'SELECT 6 * 7'", shell=True, capture_output=True, text=True, check=True
    )

    assert done.stdout == "42\n"


def test_programs_out_of_reach_of_the_account_are_copied_to_where_it_can_run_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = account.ServiceAccount.current()
    real = REDIS_WHEEL.site()
    monkeypatch.setattr(account.ServiceAccount, "may_execute", lambda self, program: not program.is_relative_to(real))

    copied = REDIS_WHEEL.programs_for(runner, tmp_path / "programs")

    assert copied.is_relative_to(tmp_path)
    assert (copied / REDIS_WHEEL.program).stat().st_mode & 0o555 == 0o555
    assert REDIS_WHEEL.programs_for(runner, tmp_path / "programs") == copied


def test_a_missing_wheel_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "find_spec", lambda name: None)

    with pytest.raises(EmbeddedServicesError, match="pip install 'reelmill\\[local\\]'"):
        up(tmp_path)
