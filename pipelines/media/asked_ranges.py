"""Bytes of a file that only the parent can reach, asked for over the decoder's socket."""

from __future__ import annotations

import socket
from collections.abc import Callable

from pipelines.media import wire


class AskedRanges:
    """ByteRanges of the file that is being decoded. One thread at a time."""

    def __init__(self, channel: socket.socket, receive: Callable[[socket.socket], bytes], size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._channel, self._receive = channel, receive

    def read(self, start: int, size: int, until: int) -> bytes:
        """Exactly these bytes.

        Raises:
            EOFError: they do not come; the parent knows why, and whatever is answered now does not count.
        """
        self._channel.sendall(wire.framed(wire.pack_range(wire.RangeQuestion(start, size, until))))
        data = self._receive(self._channel)
        if len(data) != size:
            raise EOFError("the bytes do not come")
        return data
