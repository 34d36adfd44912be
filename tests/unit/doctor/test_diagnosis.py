from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from reelmill import Caption, Client
from reelmill.doctor import Check, Diagnosis, Status, diagnose, diagnosis, services
from reelmill.doctor import machine as machine_checks
from reelmill.embedded import ServiceUrls
from reelmill.ledger.database import Database
from reelmill.ledger.workers import register_worker, retire_worker

SetEnvironment = Callable[..., None]


@pytest.fixture(autouse=True)
def _without_starting_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "_gpus", lambda **_: Check("gpu", Status.OK, "not looked at"))


def found(of: Diagnosis, name: str) -> Check:
    return next(check for check in of.checks if check.name == name)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_working_mill_is_healthy(mill: ServiceUrls) -> None:
    diagnosed = diagnose()

    assert {name: found(diagnosed, name).status for name in ("database", "redis")} == {
        "database": Status.OK,
        "redis": Status.OK,
    }
    assert diagnosed.healthy


def test_a_transaction_that_stays_open_is_found(mill: ServiceUrls, monkeypatch: pytest.MonkeyPatch) -> None:
    def named() -> list[Check]:
        return [check for check in diagnose().checks if check.name == "transactions"]

    with psycopg.connect(mill.database_url, application_name="nightly dump") as connection:
        connection.execute("SELECT 1")
        assert not named(), "a short one is nobody's business"
        monkeypatch.setattr(services, "OLD_TRANSACTION_S", 0.0)
        (check,) = named()
        assert check.status is Status.WARN
        assert f"'nightly dump' (pid {connection.info.backend_pid}) is idle in one" in check.message
        assert "idle_in_transaction_session_timeout" in check.next_step
    assert "nightly dump" not in str(named())
    assert diagnose().healthy


def test_schedules_that_nobody_starts_are_found(mill: ServiceUrls) -> None:
    assert not [check for check in diagnose().checks if check.name == "schedules"]
    with Client() as client:
        client.add_schedule("nightly", "@daily", {"prefix": "s3://archive/", "tasks": [Caption()]})
        assert found(diagnose(), "schedules").status is Status.OK
    with psycopg.connect(mill.database_url) as connection:
        connection.execute("UPDATE schedules SET next_run_at = now() - interval '1 hour'")

    check = found(diagnose(), "schedules")

    assert (check.status, check.message) == (Status.WARN, "1 of 1 overdue, 'nightly' for 60 min: nobody starts them")
    assert "reelmill housekeep" in check.next_step
    assert diagnose().healthy
    with psycopg.connect(mill.database_url) as connection:
        connection.execute("UPDATE schedules SET problem = 'no such time zone'")
    assert "cannot be started: no such time zone" in found(diagnose(), "schedules").message


def test_webhooks_that_nobody_delivers_are_found(mill: ServiceUrls) -> None:
    with Client() as client:
        client.submit_many([]).notify("https://example.org/a")
        client.submit_many([{"media": "s3://a/b", "tasks": [Caption()]}]).notify("https://example.org/b")
    assert not [check for check in diagnose().checks if check.name == "webhooks"]
    with psycopg.connect(mill.database_url) as connection:
        connection.execute("UPDATE notifications SET next_try_at = now() - interval '1 hour'")

    check = found(diagnose(), "webhooks")

    assert (check.status, check.message) == (Status.WARN, "1 overdue: nobody delivers them")
    assert "REELMILL_WEBHOOK_SECRET" in check.next_step


def test_exports_that_nobody_writes_and_those_that_were_given_up_are_found(mill: ServiceUrls) -> None:
    with Client() as client:
        client.submit_many([], export_to="s3://b/results/")
        client.submit_many([{"media": "s3://a/b", "tasks": [Caption()]}], export_to="s3://b/later/")
    assert not [check for check in diagnose().checks if check.name == "exports"]
    with psycopg.connect(mill.database_url) as connection:
        connection.execute("UPDATE exports SET next_try_at = now() - interval '1 hour'")

    check = found(diagnose(), "exports")

    assert (check.status, check.message) == (Status.WARN, "1 overdue, to s3://b/results/ first: nobody writes them")
    assert "REELMILL_EXPORT_PREFIXES" in check.next_step
    with psycopg.connect(mill.database_url) as connection:
        connection.execute("UPDATE exports SET state = 'failed', finished_at = now(), error_code = 'access_denied'")
    assert found(diagnose(), "exports").message == "2 given up"


def test_a_secret_that_is_no_url_is_hidden_whole(mill: ServiceUrls, set_environment: SetEnvironment) -> None:
    set_environment(webhook_secret="whsec_hidden")

    assert "hidden" not in str(diagnose().settings)


def test_a_dead_redis_is_found_and_says_what_to_do(mill: ServiceUrls, set_environment: SetEnvironment) -> None:
    set_environment(redis_url=f"redis://127.0.0.1:{unused_port()}/0")

    check = found(diagnose(), "redis")

    assert check.status is Status.FAIL
    assert "reelmill up" in check.next_step
    assert found(diagnose(), "database").status is Status.OK


def test_a_redis_that_answers_and_takes_nothing_is_found(mill: ServiceUrls, set_environment: SetEnvironment) -> None:
    with redis.Redis.from_url(mill.redis_url) as client:
        client.config_set("maxmemory", "1")
        try:
            full = found(diagnose(), "redis")
        finally:
            client.config_set("maxmemory", "0")
        client.execute_command("ACL", "SETUSER", "onlooker", "on", ">hidden", "~*", "+ping", "+hello")
        set_environment(redis_url=mill.redis_url.replace(f":{urlsplit(mill.redis_url).password}@", "onlooker:hidden@"))
        forbidden = found(diagnose(), "redis")
        client.execute_command("ACL", "DELUSER", "onlooker")

    assert (full.status, forbidden.status) == (Status.FAIL, Status.FAIL)
    assert "maxmemory" in full.message
    assert "no permissions" in forbidden.message.lower()
    assert "hidden" not in forbidden.message


def test_jobs_that_nobody_serves_are_found(mill: ServiceUrls) -> None:
    def named() -> list[Check]:
        return [check for check in diagnose().checks if check.name == "workers"]

    with Client() as client:
        client.submit("s3://a/b", tasks=[Caption()])

    (check,) = named()
    assert (check.status, check.message) == (Status.WARN, "1 jobs wait for 'default', and no worker serves it")
    assert "reelmill worker" in check.next_step
    database = Database(mill.database_url, pool_size=1)
    register_worker(database, "w", model="default", hostname="h", pid=1, device="cpu", concurrency=1)
    assert not named()
    retire_worker(database, "w")
    assert named()
    database.close()


def test_a_database_password_that_is_wrong_is_found_and_not_shown(
    mill: ServiceUrls, set_environment: SetEnvironment
) -> None:
    parts = urlsplit(mill.database_url)
    set_environment(database_url=mill.database_url.replace(f":{parts.password}@", ":hidden@"))

    check = found(diagnose(), "database")

    assert check.status is Status.FAIL
    assert "password authentication failed" in check.message
    assert "hidden" not in check.message


def test_a_download_directory_that_cannot_be_written_is_found(tmp_path: Path, set_environment: SetEnvironment) -> None:
    set_environment(download_dir=str(tmp_path / "gone"))

    check = found(diagnose(), "download dir")

    assert (check.status, check.next_step) == (Status.FAIL, "Set REELMILL_DOWNLOAD_DIR")


def test_a_dead_database_is_found(set_environment: SetEnvironment) -> None:
    set_environment(database_url=f"postgresql://u:hidden@127.0.0.1:{unused_port()}/x")

    diagnosed = diagnose()

    assert found(diagnosed, "database").status is Status.FAIL
    assert not diagnosed.healthy


def test_tables_that_are_not_there_ask_for_migrate(
    empty_database_url: str, redis_url: str, set_environment: SetEnvironment
) -> None:
    set_environment(database_url=empty_database_url, redis_url=redis_url)

    check = found(diagnose(), "database")

    assert check.status is Status.FAIL
    assert "reelmill migrate" in check.next_step


def test_a_missing_file_root_is_found(tmp_path: Path, set_environment: SetEnvironment) -> None:
    set_environment(file_roots=f'["{tmp_path}", "{tmp_path}/gone"]')

    roots = [check for check in diagnose().checks if check.name == "file roots"]

    assert [root.status for root in roots] == [Status.OK, Status.FAIL]


def test_a_directory_that_is_no_checkpoint_is_found(tmp_path: Path, set_environment: SetEnvironment) -> None:
    set_environment(model=str(tmp_path))

    assert found(diagnose(), "model").status is Status.FAIL


def test_too_little_room_for_the_largest_object_is_a_warning(tmp_path: Path, set_environment: SetEnvironment) -> None:
    set_environment(download_dir=str(tmp_path), max_object_bytes=str(2**60))

    assert found(diagnose(), "download dir").status is Status.WARN


def test_an_s3_endpoint_that_refuses_connections_is_found(set_environment: SetEnvironment) -> None:
    set_environment(s3_endpoint_url=f"http://user:hidden@127.0.0.1:{unused_port()}")

    diagnosed = diagnose()

    assert found(diagnosed, "s3 endpoint").status is Status.FAIL
    assert "hidden" not in str(diagnosed)


def test_a_machine_without_the_workers_libraries_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "_version", lambda name: None if name == "torch" else "1.0")

    check = found(diagnose(), "worker")

    assert check.status is Status.WARN
    assert "pip install 'reelmill[worker]'" in check.next_step


def test_a_bad_setting_is_a_finding(set_environment: SetEnvironment) -> None:
    set_environment(lease_s="soon")

    diagnosed = diagnose()

    assert [check.name for check in diagnosed.checks] == ["settings"]
    assert "REELMILL_LEASE_S" in diagnosed.checks[0].message
    assert not diagnosed.healthy


def test_settings_in_force_name_their_source_and_hide_passwords(set_environment: SetEnvironment) -> None:
    set_environment(
        database_url="postgresql://u:hunter2@db.example:5432/mill?password=hunter2",
        openai_api_key="sk-hunter2",
        openai_base_url="https://u:hunter2@models.example/v1",
        concurrency="3",
    )

    rows = {row.name: row for row in diagnosis.settings_in_force(diagnosis.load_settings())}

    assert (rows["REELMILL_CONCURRENCY"].value, rows["REELMILL_CONCURRENCY"].source) == ("3", "environment")
    assert rows["REELMILL_LEASE_S"].source == "default"
    assert rows["REELMILL_OPENAI_API_KEY"].value == "***"
    assert rows["REELMILL_OPENAI_BASE_URL"].value == "https://u:***@models.example/v1"
    assert rows["REELMILL_DATABASE_URL"].value == "postgresql://u:***@db.example:5432/mill?***"
    assert "hunter2" not in str(rows)


def test_the_gpu_probe_starts_torch_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert machine_checks._gpus(has_flash_attention=True).status is not Status.FAIL
