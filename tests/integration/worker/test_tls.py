"""TLS and an ACL user, set in the URLs, reach every connection: those of Postgres, of bells, and of Celery's worker."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from redis import Redis

from reelmill import Caption, Client
from reelmill.bells import Bells
from reelmill.doctor import Status, diagnose
from reelmill.doctor import machine as machine_checks
from reelmill.doctor.check import Check
from reelmill.embedded import ServiceUrls
from reelmill.errors import DatabaseUnavailableError
from reelmill.ledger.database import Database
from reelmill.settings import settings
from reelmill.urls import find_urls, verified
from tests.pictures import noise_png
from tests.services import S3Server
from tests.tls import HOST, Authority, Identity, tls_front
from tests.workers import running_worker
from worker.factory import make_app

ACL = "~reelmill* ~_kombu* ~unacked* ~*celery* &* +@all -@admin -@dangerous"
"""As in docs/deploy.md."""
USER, PASSWORD = "mill", "only-in-this-test"


@dataclass(frozen=True)
class Encrypted:
    """Ports that want TLS and a client certificate; plain ones lie behind them. `other` is nobody that they trust."""

    ours: Authority
    other: Authority
    client: Identity
    database: str
    redis: str

    def database_url(self, authority: Authority) -> str:
        shown = f"sslcert={quote(str(self.client.certificate))}&sslkey={quote(str(self.client.key))}"
        return f"{self.database}?sslmode=verify-full&sslrootcert={quote(str(authority.certificate))}&{shown}"

    def redis_url(self, authority: Authority) -> str:
        shown = f"ssl_certfile={self.client.certificate}&ssl_keyfile={self.client.key}"
        return verified(f"{self.redis}?ssl_ca_certs={authority.certificate}&{shown}")


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    folder = tmp_path_factory.mktemp("tls")
    return Authority.new(folder, "ours"), Authority.new(folder, "other")


@pytest.fixture
def encrypted(mill: ServiceUrls, authorities: tuple[Authority, Authority]) -> Iterator[Encrypted]:
    ours, other = authorities
    server, client = ours.issue("server"), ours.issue("client")
    database, redis = urlsplit(mill.database_url), urlsplit(mill.redis_url)
    with (
        tls_front(database.port or 5432, server, clients=ours.certificate, postgres=True) as database_port,
        tls_front(redis.port or 6379, server, clients=ours.certificate) as redis_port,
        Redis.from_url(mill.redis_url) as admin,
    ):
        admin.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", *ACL.split())
        yield Encrypted(
            ours,
            other,
            client,
            database._replace(netloc=f"{database.username}:{database.password}@{HOST}:{database_port}").geturl(),
            f"rediss://{USER}:{PASSWORD}@{HOST}:{redis_port}{redis.path}",
        )
        admin.execute_command("ACL", "DELUSER", USER)


def test_a_job_is_submitted_rung_for_and_worked_over_tls_as_an_acl_user(
    encrypted: Encrypted, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {"database_url": encrypted.database_url(encrypted.ours), "redis_url": encrypted.redis_url(encrypted.ours)}
    # Housekeeping comes too late to help: it is the bell that wakes the worker.
    with running_worker(tmp_path / "worker.log", housekeeping_s="600", **urls) as worker, Client(**urls) as client:
        job = client.submit(s3_server.put("tls/a.png", noise_png(1)), tasks=[Caption()])
        job.wait(timeout=60)
        assert job.status.state == "succeeded", worker.log()
        assert worker.terminate() == 0
    assert "insecure" not in worker.log().lower()
    for name, url in urls.items():
        monkeypatch.setenv(f"REELMILL_{name.upper()}", url)
    monkeypatch.setattr(machine_checks, "_gpus", lambda **_: Check("gpu", Status.OK, "not looked at"))
    settings.cache_clear()
    diagnosed = diagnose()
    assert {check.name: check.status for check in diagnosed.checks if check.name in ("database", "redis")} == {
        "database": Status.OK,
        "redis": Status.OK,
    }, diagnosed.checks
    assert PASSWORD not in str(diagnosed)
    assert PASSWORD not in worker.log()


def test_a_database_with_another_certificate_or_none_is_refused(encrypted: Encrypted, mill: ServiceUrls) -> None:
    for url in (encrypted.database_url(encrypted.other), f"{mill.database_url}?sslmode=require"):
        database = Database(url, pool_size=1)
        with pytest.raises(DatabaseUnavailableError, match=r"(?i)certificate verify failed|does not support SSL"):
            database.check_schema()
        database.close()


def test_no_bell_is_hung_at_a_redis_with_another_certificate(
    encrypted: Encrypted, caplog: pytest.LogCaptureFixture
) -> None:
    bells = Bells(encrypted.redis_url(encrypted.other))
    with caplog.at_level(logging.WARNING, "reelmill.bells"):
        assert bells.ring("default", 1) == 0
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_worker_checks_the_certificate_of_redis_also_where_the_url_does_not_say_so(
    mill: ServiceUrls, authorities: tuple[Authority, Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = urlsplit(mill.redis_url)
    with tls_front(redis.port or 6379, authorities[0].issue("anybody")) as port:
        monkeypatch.setenv("REELMILL_REDIS_URL", f"rediss://:{redis.password}@{HOST}:{port}{redis.path}")
        settings.cache_clear()
        with make_app(settings()).connection_for_read() as connection, pytest.raises(Exception, match="VERIFY_FAILED"):
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=10)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("rediss://:p@h:1/0", "rediss://:p@h:1/0?ssl_cert_reqs=required"),
        ("rediss://h?ssl_ca_certs=/a", "rediss://h?ssl_ca_certs=/a&ssl_cert_reqs=required"),
        ("rediss://h?ssl_cert_reqs=none", "rediss://h?ssl_cert_reqs=none"),
        ("redis://h/0", "redis://h/0"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_tls_to_redis_is_verified_unless_the_url_says_otherwise(given: str, used: str) -> None:
    assert find_urls(settings(), "postgresql://h/d", given)[1] == used
