"""Celery's consumer after its connection to Redis broke while it held bells that were not acknowledged yet."""

from __future__ import annotations

from redis import Redis

from reelmill.bells import Bells, queue_name
from reelmill.embedded import ServiceUrls
from reelmill.settings import load_settings
from worker.factory import make_app


def test_a_broken_connection_with_a_bell_in_hand_is_closed_without_an_error(mill: ServiceUrls) -> None:
    assert Bells(mill.redis_url).ring("default", 1) == 1
    connection = make_app(load_settings()).connection_for_read()
    channel = connection.default_channel
    message = channel.basic_get(queue_name("default"), no_ack=False)
    assert message is not None
    # As Celery does when a read fails: the connection is let go of, and then closed.
    channel._disconnect_pools()
    connection.transport.client = None

    connection.close()
    channel.connection = None
    message.ack()

    with Redis.from_url(mill.redis_url) as client:
        assert client.llen(queue_name("default")) == 0
