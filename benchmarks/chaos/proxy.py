"""A TCP proxy that cuts, swallows, or loses answers: what a bad network does to a connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

CHUNK_BYTES = 2**16


@dataclass(eq=False)
class _Link:
    """One connection. `swallowed`: open for ever, and nothing comes through any more."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    swallowed: bool = False
    loses_answers: bool = False


class TcpProxy:
    """In front of one port. All methods may be called from any thread."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Reset all connections; new ones are let through."""
        self._each(lambda link: link.client.transport.abort())

    def swallow(self) -> None:
        """From now on nothing comes through the connections that are open; none of the two sides is told."""

        def swallow(link: _Link) -> None:
            link.swallowed = True

        self._each(swallow)

    def lose_answers(self) -> None:
        """What is asked next on the open connections reaches the server; instead of the answer, they break."""

        def lose(link: _Link) -> None:
            link.loses_answers = True

        self._each(lose)

    def close(self) -> None:
        async def close() -> None:
            self._server.close()
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def _each(self, action: object) -> None:
        def act() -> None:
            for link in tuple(self._links):
                action(link)  # type: ignore[operator]

        self._loop.call_soon_threadsafe(act)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        # Cancelled by `close`; asyncio's own callback would report it as an error.
        with suppress(OSError, asyncio.CancelledError):
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
            link = _Link(to_client, to_server)
            self._links.add(link)
            try:
                await asyncio.gather(
                    self._pass(from_client, to_server, link, answers=False),
                    self._pass(from_server, to_client, link, answers=True),
                )
            finally:
                self._links.discard(link)
                to_server.transport.abort()
        to_client.transport.abort()

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, link: _Link, *, answers: bool
    ) -> None:
        while data := await source.read(CHUNK_BYTES):
            if link.swallowed:
                continue
            if answers and link.loses_answers:
                break
            sink.write(data)
            await sink.drain()
        if link.swallowed and answers:
            # The server gave up; whoever asked is not told.
            await asyncio.Event().wait()
        for end in (link.client, link.server):
            end.transport.abort()


@contextmanager
def proxy_to(port: int) -> Iterator[TcpProxy]:
    """A proxy for the length of the block."""
    proxy = TcpProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
