"""A webhook is signed, goes to public addresses only, follows nobody, and is not held up for ever."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator

import pytest

from tests.webhooks import Receiver, receiving
from worker import webhook
from worker.errors import WebhookError, WebhookRefusedError
from worker.webhook import Delivery, deliver, is_public

PRIVATE = """
    10.0.0.1 192.168.1.1 172.16.0.1 169.254.169.254 100.64.0.1 0.0.0.0 255.255.255.255 224.0.0.1
    ::1 :: fe80::1 fd00::1 ff02::1 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 2002:a00:1::
"""
SENT = Delivery("msg_1", 1_700_000_000, b'{"a": 1}')


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_it_is_signed_as_the_standard_says() -> None:
    # The example of the Standard Webhooks libraries.
    example = Delivery("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    headers = example.headers("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (example.id, "1614265330")


def test_id_time_body_and_secret_each_change_the_signature() -> None:
    variants = [
        (SENT, "s"),
        (SENT, "t"),
        (Delivery("msg_2", SENT.sent_at, SENT.body), "s"),
        (Delivery(SENT.id, SENT.sent_at + 1, SENT.body), "s"),
        (Delivery(SENT.id, SENT.sent_at, b"{}"), "s"),
    ]
    assert len({delivery.headers(secret)["webhook-signature"] for delivery, secret in variants}) == len(variants)


def test_the_body_arrives_with_path_query_and_headers(receiver: Receiver) -> None:
    deliver(receiver.url, SENT, "s", allow_private=True)
    ((path, headers, body),) = receiver.received
    assert (path, body, headers["content-type"]) == ("/hook?k=v", SENT.body, "application/json")
    assert headers["webhook-signature"] == SENT.headers("s")["webhook-signature"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]"])
def test_a_private_address_is_refused_however_it_is_written(receiver: Receiver, host: str) -> None:
    with pytest.raises(WebhookRefusedError, match="not a public address"):
        deliver(receiver.url.replace("127.0.0.1", host), SENT, "s")
    assert receiver.received == []


@pytest.mark.parametrize("address", PRIVATE.split())
def test_addresses_that_are_not_of_the_internet_are_known(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_addresses_of_the_internet_are_known(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_the_address_that_was_checked_is_the_one_that_is_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])

    def rebinding(host: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(2, 1, 6, "", (address, port)) for address in next(answers)]

    def connect(place: tuple[str, int], timeout: float) -> None:
        raise OSError(f"went to {place[0]}")

    monkeypatch.setattr(webhook.socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(webhook.socket, "create_connection", connect)
    with pytest.raises(WebhookError, match=r"went to 8\.8\.8\.8"):
        deliver("http://rebinding.example/", SENT, "s")


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving() as elsewhere:
        receiver.answers, receiver.location = [307], elsewhere.url
        with pytest.raises(WebhookError, match="answered 307"):
            deliver(receiver.url, SENT, "s", allow_private=True)
        assert elsewhere.received == []


def test_gone_is_for_good_and_other_answers_are_not(receiver: Receiver) -> None:
    receiver.answers = [410, 500]
    with pytest.raises(WebhookRefusedError, match="410"):
        deliver(receiver.url, SENT, "s", allow_private=True)
    with pytest.raises(WebhookError, match="500") as caught:
        deliver(receiver.url, SENT, "s", allow_private=True)
    assert not isinstance(caught.value, WebhookRefusedError)


def test_errors_do_not_show_path_and_query() -> None:
    with pytest.raises(WebhookError) as caught:
        deliver("http://127.0.0.1:9/secret?token=secret", SENT, "s", allow_private=True)
    assert "secret" not in str(caught.value)
    assert "http://127.0.0.1" in str(caught.value)


def test_one_who_drips_his_answer_is_cut_off(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WHOLE_S", 0.5)
    receiver.drip_s = 60.0
    began = time.monotonic()
    with pytest.raises(WebhookError):
        deliver(receiver.url, SENT, "s", allow_private=True)
    assert time.monotonic() - began < 30.0
