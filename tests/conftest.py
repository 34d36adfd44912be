"""Fixtures on real services: Postgres, Redis, S3 over HTTP.

Embedded by default; REELMILL_TEST_DATABASE_URL and REELMILL_TEST_REDIS_URL point at servers of your own (a role that
may create databases; a Redis database that may be flushed).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from reelmill.embedded import ServiceUrls
from reelmill.settings import settings
from tests.services import Databases, S3Server, embedded_services

_serial = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def _clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No REELMILL_ variable of the caller reaches a test, and no test touches the caller's home."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("REELMILL_") and not name.startswith("REELMILL_TEST_"):
                patch.delenv(name)
        patch.setenv("REELMILL_HOME", str(tmp_path_factory.mktemp("home")))
        settings.cache_clear()
        yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def services() -> Iterator[ServiceUrls]:
    """The embedded services of this test session."""
    with embedded_services() as urls:
        yield urls


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """A Postgres server; use `database_url` for tables."""
    url = os.environ.get("REELMILL_TEST_DATABASE_URL")
    return url or request.getfixturevalue("services").database_url


@pytest.fixture(scope="session")
def databases(postgres_url: str) -> Iterator[Databases]:
    """Makes databases: `.fresh(name)` migrated, `.empty(name)` bare, both as context managers."""
    with Databases.on(postgres_url) as made:
        yield made


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A fresh migrated database of this test alone."""
    with databases.fresh(f"test_{next(_serial)}") as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(databases: Databases) -> Iterator[str]:
    """A fresh migrated database that the tests of one module share."""
    with databases.fresh(f"module_{next(_serial)}") as url:
        yield url


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A database without any table."""
    with databases.empty(f"{next(_serial)}") as url:
        yield url


@pytest.fixture(scope="session")
def redis_server_url(request: pytest.FixtureRequest) -> str:
    """A Redis server; use `redis_url` for an empty one."""
    url = os.environ.get("REELMILL_TEST_REDIS_URL")
    return url or request.getfixturevalue("services").redis_url


@pytest.fixture
def redis_url(redis_server_url: str) -> Iterator[str]:
    """An empty Redis database."""
    with redis.Redis.from_url(redis_server_url) as client:
        client.flushdb()
        yield redis_server_url
        client.flushdb()


@pytest.fixture
def set_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets REELMILL_ variables for this test and its child processes: set_environment(lease_s="1")."""

    def set_variables(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"REELMILL_{name.upper()}", value)
        settings.cache_clear()

    yield set_variables
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def mill(database_url: str, redis_url: str, set_environment: Callable[..., None]) -> ServiceUrls:
    """A fresh database and an empty Redis, set in the environment: `Client()` and child processes find them."""
    set_environment(database_url=database_url, redis_url=redis_url)
    return ServiceUrls(database_url, redis_url)


@pytest.fixture
def media_dir(tmp_path: Path, set_environment: Callable[..., None]) -> Path:
    """A directory that workers may read through file://."""
    directory = tmp_path / "media"
    directory.mkdir()
    set_environment(file_roots=f'["{directory}"]')
    return directory


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server over HTTP with one bucket; credentials and endpoint are in the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "REELMILL_S3_ENDPOINT_URL": f"http://{host}:{port}",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings.cache_clear()
        client = boto3.client("s3", endpoint_url=environment["REELMILL_S3_ENDPOINT_URL"])
        client.create_bucket(Bucket="archive")
        yield S3Server(environment["REELMILL_S3_ENDPOINT_URL"], "archive", client, environment)
    settings.cache_clear()
    server.stop()
