"""The live page's server: bound before anything is printed, ended by SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal
import socket
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from reelmill.errors import AddressError

GRACE_S = 3
BACKLOG = 128


class Server:
    """A listening socket, and the loop that serves an application on it.

    Args:
        port: 0 takes any that is free; see `port`.

    Raises:
        AddressError: the port is taken, may not be used, or the host is none of this machine's.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._socket = socket.socket(family, kind, protocol)
        except OSError as error:
            raise _address_error(host, port, error) from error
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(address)
            # From here on the system takes visitors: whoever reads the printed address can go there at once.
            self._socket.listen(BACKLOG)
        except OSError as error:
            self._socket.close()
            raise _address_error(host, port, error) from error

    @property
    def port(self) -> int:
        """The port that was taken."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page."""
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - told apart, not bound
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}/"

    def run(self, app: ASGIApp) -> None:
        """Serve until SIGTERM. Raises KeyboardInterrupt on Ctrl-C."""
        # Addresses may carry the token: none is logged.
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        # uvicorn ends cleanly on SIGTERM, and then raises it again for whoever had it before.
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            uvicorn.Server(config).run([self._socket])
        finally:
            signal.signal(signal.SIGTERM, before)

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _address_error(host: str, port: int, error: OSError) -> AddressError:
    reason = (error.strerror or str(error)).lower()
    return AddressError(f"cannot listen there ({reason})", subject=f"{host}:{port}")
