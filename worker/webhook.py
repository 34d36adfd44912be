"""One webhook delivery: signed, to a public address only, without following anybody anywhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from worker.errors import WebhookError, WebhookRefusedError

CONNECT_S = 5.0
WHOLE_S = 20.0
"""However slowly the other side drips."""
GONE = 410
NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is sent. `id`: the same in each repetition; `sent_at`: seconds since 1970, now."""

    id: str
    sent_at: int
    body: bytes

    def headers(self, secret: str) -> dict[str, str]:
        """As https://www.standardwebhooks.com: HMAC-SHA256 over id, time and body."""
        signed = b".".join([self.id.encode(), str(self.sent_at).encode(), self.body])
        digest = base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()
        return {
            "Content-Type": "application/json",
            "User-Agent": "reelmill",
            "webhook-id": self.id,
            "webhook-timestamp": str(self.sent_at),
            "webhook-signature": f"v1,{digest}",
        }


def deliver(url: str, delivery: Delivery, secret: str, *, allow_private: bool = False) -> None:
    """POST it. Any 2xx answer is a delivery.

    Args:
        allow_private: also to addresses that are not public: intranets, and tests.

    Raises:
        WebhookRefusedError: trying again is no use: a private address, or they answered 410 Gone.
        WebhookError: they cannot be reached, or answered something else; redirects are not followed.
    """
    try:
        status = _post(url, delivery.body, delivery.headers(secret), allow_private=allow_private)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise WebhookError(f"{type(error).__name__}: {error}", subject=_shown(url)) from error
    if status == GONE:
        raise WebhookRefusedError("answered 410 Gone", subject=_shown(url))
    if not 200 <= status < 300:
        raise WebhookError(f"answered {status}", subject=_shown(url))


def _key(secret: str) -> bytes:
    """The secret's bytes; libraries of that standard write them in base64 after `whsec_`."""
    return base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()


def _post(url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool) -> int:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    # The address that was checked is the one that is used: a second look-up could give another one.
    address = _address(url, host, port, allow_private=allow_private)
    connection = http.client.HTTPConnection(host, port)
    connection.sock = socket.create_connection((address, port), timeout=CONNECT_S)
    cut = threading.Timer(WHOLE_S, _cut, [connection])
    cut.start()
    try:
        if secure:
            connection.sock = _encrypted(connection.sock, host)
        connection.request("POST", _target(url), body=body, headers=dict(headers))
        return connection.getresponse().status
    finally:
        cut.cancel()
        connection.close()


def _encrypted(plain: socket.socket, host: str) -> ssl.SSLSocket:
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _address(url: str, host: str, port: int, *, allow_private: bool) -> str:
    """One that the name stands for, if all of them are public."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for text in found:
        if not allow_private and not is_public(ipaddress.ip_address(text.partition("%")[0])):
            raise WebhookRefusedError(f"{text} is not a public address", subject=_shown(url))
    return found[0]


def is_public(address: Address) -> bool:
    """Whether the address belongs to the internet at large, also by way of an IPv4 address inside an IPv6 one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _cut(connection: http.client.HTTPConnection) -> None:
    """Whoever reads from it gets an error."""
    with suppress(OSError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _shown(url: str) -> str:
    """Without path and query: they are often secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"
