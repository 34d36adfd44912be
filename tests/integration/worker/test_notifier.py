"""Whoever asked is told once a batch is done, at least once, and by whichever process is alive."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from reelmill import Batch, Caption, Client, SpecError
from reelmill.embedded import ServiceUrls
from reelmill.ledger.database import Database
from reelmill.ledger.notifications import MAX_TRIES
from reelmill.ledger.scans import cancel_scan
from reelmill.settings import Settings
from tests.webhooks import Receiver, receiving
from worker.notifier import Notifier

SPEC = {"media": "s3://b/a.png", "tasks": [Caption()]}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def client(mill: ServiceUrls) -> Iterator[Client]:
    with Client() as client:
        yield client


@pytest.fixture
def db(mill: ServiceUrls) -> Iterator[Database]:
    db = Database(mill.database_url)
    yield db
    db.close()


@pytest.fixture
def tick(db: Database) -> Callable[[], None]:
    """A round, as if the pauses between tries were over."""
    notifier = Notifier(Settings(webhook_secret=SecretStr("s"), webhook_private_addresses=True), db)

    def round_of_it() -> None:
        execute(db, "UPDATE notifications SET next_try_at = now()")
        notifier.tick()

    return round_of_it


def execute(db: Database, statement: str) -> None:
    with db.transaction() as connection:
        connection.execute(text(statement))


def state(batch: Batch) -> str:
    (notification,) = batch.notifications()
    return notification.state


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, body in receiver.received]


def test_they_are_told_once_when_the_last_job_has_ended(
    client: Client, db: Database, tick: Callable[[], None], receiver: Receiver
) -> None:
    batch = client.submit_many([SPEC, SPEC], name="night", labels={"k": "v"})
    sent_as = batch.notify(receiver.url)
    tick()
    assert (receiver.received, state(batch)) == ([], "waiting")
    batch.cancel()
    tick()
    tick()
    (body,) = bodies(receiver)
    assert body["type"] == "batch.done"
    assert (body["data"]["batch"], body["data"]["name"], body["data"]["labels"]) == (str(batch.id), "night", {"k": "v"})
    assert (body["data"]["state"], body["data"]["counts"]["cancelled"]) == ("cancelled", 2)
    assert receiver.received[0][1]["webhook-id"] == str(sent_as)
    assert state(batch) == "delivered"


def test_a_batch_whose_prefix_is_still_listed_is_not_done(
    client: Client, db: Database, tick: Callable[[], None], receiver: Receiver
) -> None:
    batch = client.submit_prefix("s3://archive/in/", tasks=[Caption()])
    batch.notify(receiver.url)
    tick()
    assert state(batch) == "waiting"
    cancel_scan(db, batch.id)
    tick()
    assert state(batch) == "delivered"


def test_a_failed_delivery_is_repeated_under_the_same_id(
    client: Client, tick: Callable[[], None], receiver: Receiver
) -> None:
    receiver.answers = [500, 302, 200]
    batch = client.submit_many([])
    batch.notify(receiver.url)
    tick()
    (notification,) = batch.notifications()
    assert (notification.state, notification.tries) == ("due", 1)
    assert notification.problem is not None
    assert "answered 500" in notification.problem
    assert notification.next_try_at > notification.created_at
    tick()
    tick()
    assert state(batch) == "delivered"
    assert len({headers["webhook-id"] for _, headers, _ in receiver.received}) == 1
    assert len(receiver.received) == 3


def test_it_is_given_up_in_the_end_and_at_once_where_they_say_gone(
    client: Client, tick: Callable[[], None], receiver: Receiver
) -> None:
    receiver.answers = [500]
    batch = client.submit_many([])
    batch.notify(receiver.url)
    for _ in range(MAX_TRIES + 2):
        tick()
    assert (state(batch), len(receiver.received)) == ("failed", MAX_TRIES)
    receiver.answers = [410]
    other = client.submit_many([])
    other.notify(receiver.url)
    tick()
    assert state(other) == "failed"


def test_however_many_deliver_each_is_delivered_once(client: Client, db: Database, receiver: Receiver) -> None:
    for _ in range(12):
        client.submit_many([]).notify(receiver.url)
    notifier = Notifier(Settings(webhook_secret=SecretStr("s"), webhook_private_addresses=True), db)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: notifier.tick(), range(4)))
    assert len(receiver.received) == len({headers["webhook-id"] for _, headers, _ in receiver.received}) == 12


def test_a_process_that_dies_in_a_delivery_is_followed_by_another_one(
    client: Client, db: Database, tick: Callable[[], None], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = client.submit_many([])
    batch.notify(receiver.url)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("worker.notifier.deliver", die)
        with pytest.raises(KeyboardInterrupt):
            tick()
    assert state(batch) == "due"
    tick()
    assert state(batch) == "delivered"


def test_private_addresses_are_refused_unless_allowed_and_nothing_goes_out_unsigned(
    client: Client, db: Database, receiver: Receiver
) -> None:
    batch = client.submit_many([])
    batch.notify(receiver.url)
    Notifier(Settings(), db).tick()
    assert state(batch) == "waiting"
    Notifier(Settings(webhook_secret=SecretStr("s")), db).tick()
    (notification,) = batch.notifications()
    assert notification.state == "failed"
    assert "127.0.0.1 is not a public address" in str(notification.problem)
    assert receiver.received == []


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "https://", "host/path", "https://user:secret@host/", "https://host:99999/", "https://a b/"]
)
def test_what_is_no_webhook_is_refused_when_it_is_given(client: Client, url: str) -> None:
    batch = client.submit_many([])
    with pytest.raises(SpecError) as caught:
        batch.notify(url)
    assert "secret@" not in str(caught.value)
    assert batch.notifications() == ()


def test_the_same_url_is_told_once(client: Client) -> None:
    batch = client.submit_many([])
    assert batch.notify("https://example.org/a") == batch.notify("https://example.org/a")
