from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from reelmill.doctor import Check, Status, machine
from reelmill.embedded import down
from tests.integration.cli.commands import reelmill, reelmill_process

SetEnvironment = Callable[..., None]


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_up_makes_a_mill_that_the_other_verbs_find_and_down_stops_it(
    tmp_path: Path, set_environment: SetEnvironment
) -> None:
    set_environment(home=str(tmp_path / "home"))
    try:
        urls = reelmill_process("up", "--json").json
        with psycopg.connect(urls["database_url"]) as connection:
            assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
        assert reelmill("submit", "s3://b/1", "--caption", "--json").code == 0
        assert urls["database_url"] in reelmill("up").out

        assert reelmill("down", "--json").json == {"stopped": True, "purged": False}
        assert reelmill("status", "--json").code == 3
        assert reelmill("down", "--purge", "--json").json == {"stopped": False, "purged": True}
    finally:
        down(tmp_path / "home", purge=True)


def test_migrate_makes_the_tables_and_can_be_run_again(
    empty_database_url: str, redis_url: str, set_environment: SetEnvironment
) -> None:
    set_environment(database_url=empty_database_url, redis_url=redis_url)
    before = reelmill("submit", "s3://b/1", "--caption", "--json")
    assert (before.code, before.error["code"]) == (3, "schema_out_of_date")
    assert "reelmill migrate" in before.error["next_step"]

    assert [reelmill("migrate", "--json").code for _ in range(2)] == [0, 0]
    assert reelmill("submit", "s3://b/1", "--caption", "--json").code == 0


def test_a_database_that_does_not_answer_ends_with_3(unused_port: int, set_environment: SetEnvironment) -> None:
    set_environment(database_url=f"postgresql://u:secret@127.0.0.1:{unused_port}/x")

    ran = reelmill("status", "--json")

    assert (ran.code, ran.error["code"]) == (3, "database_unavailable")
    assert "secret" not in ran.out + ran.err


def test_a_submit_is_accepted_while_redis_is_dead(
    database_url: str, unused_port: int, set_environment: SetEnvironment
) -> None:
    set_environment(database_url=database_url, redis_url=f"redis://127.0.0.1:{unused_port}/0")

    ran = reelmill("submit", "s3://b/1", "--caption", "--json")

    assert (ran.code, list(ran.json)) == (0, ["job"])


def test_a_bad_setting_is_named_and_ends_with_2(set_environment: SetEnvironment) -> None:
    set_environment(lease_s="soon")

    ran = reelmill("status", "--json")

    assert (ran.code, ran.error["code"], ran.error["subject"]) == (2, "settings_invalid", "REELMILL_LEASE_S")


@pytest.mark.usefixtures("mill")
def test_doctor_tells_scripts_whether_all_is_well(
    unused_port: int, set_environment: SetEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = reelmill_process("doctor", "--json")
    set_environment(redis_url=f"redis://:hidden@127.0.0.1:{unused_port}/0")
    monkeypatch.setattr(machine, "_gpus", lambda **_: Check("gpu", Status.OK, "not looked at again"))
    ill = reelmill("doctor", "--json")
    shown = reelmill("doctor")

    assert (well.code, well.json["healthy"]) == (0, True)
    assert (ill.code, ill.json["healthy"]) == (1, False)
    assert {check["name"]: check["status"] for check in ill.json["checks"]}["redis"] == "fail"
    assert shown.code == 1
    assert "reelmill up" in shown.out
    assert "hidden" not in shown.out + ill.out


def test_a_worker_that_cannot_pin_its_gpus_ends_with_an_error_not_a_traceback() -> None:
    ran = reelmill_process("worker", "--model", "/nowhere", "--gpus", "x", "--json")

    assert (ran.code, ran.error["subject"]) == (1, "--gpus")
