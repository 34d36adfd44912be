"""Bells on a real Redis, and on broken ones."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from reelmill import bells as bells_module
from reelmill.bells import TASK_NAME, Bells, queue_name


@pytest.fixture
def bells(redis_url: str) -> Iterator[Bells]:
    bells = Bells(redis_url, max_bells=5)
    yield bells
    bells.close()


@pytest.fixture
def swallowing_server() -> Iterator[tuple[int, list[socket.socket]]]:
    """Accepts connections and never answers; the list shows how many came."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as thread:
        accepted: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    accepted.append(server.accept()[0])
            except OSError:
                return

        thread.submit(accept)
        yield server.getsockname()[1], accepted
        server.shutdown(socket.SHUT_RDWR)
        for connection in accepted:
            connection.close()


def hanging(redis_url: str, model: str = "default") -> int:
    with redis.Redis.from_url(redis_url) as client:
        return int(client.llen(queue_name(model)))


def test_a_bell_is_a_celery_message_in_json_that_carries_nothing(bells: Bells, redis_url: str) -> None:
    assert bells.ring("default", 1) == 1
    with redis.Redis.from_url(redis_url) as client:
        message = json.loads(client.lindex("reelmill.default", 0))
    assert message["headers"]["task"] == TASK_NAME == "reelmill.work"
    assert message["content-type"] == "application/json"
    assert (message["headers"]["argsrepr"], message["headers"]["kwargsrepr"]) == ("()", "{}")


def test_never_more_than_max_bells_hang(bells: Bells, redis_url: str) -> None:
    assert (bells.ring("default", 3), bells.ring("default", 100), bells.ring("default", 1)) == (3, 2, 0)
    assert hanging(redis_url) == 5
    assert bells.ring("other/model", 1) == 1
    assert hanging(redis_url, "other/model") == 1


def test_nothing_wanted_rings_nothing(bells: Bells, redis_url: str) -> None:
    assert bells.ring("default", 0) == 0
    assert hanging(redis_url) == 0


def test_many_who_ring_at_once_do_not_pass_the_bound(redis_url: str) -> None:
    ringers = [Bells(redis_url, max_bells=5) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda ringer: ringer.ring("default", 5), ringers))
    assert hanging(redis_url) == 5
    for ringer in ringers:
        ringer.close()


def test_a_redis_that_is_not_there_costs_a_warning_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    lost = Bells("redis://user:hunter2@127.0.0.1:1/0")
    assert lost.ring("default", 1) == 0
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert "127.0.0.1:1" in warning.getMessage()
    assert "hunter2" not in warning.getMessage()


@pytest.mark.timeout(30)
def test_a_hung_redis_is_given_up_and_left_alone_for_a_while(
    swallowing_server: tuple[int, list[socket.socket]], caplog: pytest.LogCaptureFixture
) -> None:
    port, accepted = swallowing_server
    hung = Bells(f"redis://127.0.0.1:{port}/0")
    assert [hung.ring("default", 1) for _ in range(5)] == [0] * 5
    assert len(accepted) == 1
    assert len(caplog.records) == 1
    hung.close()


@pytest.mark.timeout(30)
def test_a_redis_that_hangs_only_at_the_publish_is_given_up_too(
    swallowing_server: tuple[int, list[socket.socket]], monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    port, _ = swallowing_server
    bells = Bells(redis_url)
    bells._connected_redis()
    bells._url = f"redis://127.0.0.1:{port}/0"
    assert bells.ring("default", 1) == 0
    bells.close()


def test_after_the_pause_it_rings_again(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells_module, "PAUSE_AFTER_FAILURE_S", 0.0)
    bells = Bells("redis://127.0.0.1:1/0")
    assert bells.ring("default", 1) == 0
    bells.close()
    bells._url = redis_url
    assert bells.ring("default", 1) == 1
    bells.close()
