"""The decoder process, `python -m pipelines.media.child SOCKET PARENT_PID`: one file at a time.

It is started by `DecoderProcess` and speaks the messages of `wire` over an inherited socket.
"""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipelines.media.sandbox import confine, limit_memory

if TYPE_CHECKING:
    from pipelines.media.shared_tiles import TileFile


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    decoded: bool


def main(arguments: list[str]) -> None:
    """Serve requests from the inherited socket until the parent closes it."""
    descriptor, parent_pid = (int(argument) for argument in arguments)
    confine(parent_pid)
    # Imported only now: numpy starts threads, and a process with threads cannot leave its namespaces.
    from pipelines.media import wire

    with socket.socket(fileno=descriptor) as channel:
        channel.sendall(wire.framed(wire.READY))
        while body := receive(channel):
            _serve(channel, body)


def receive(channel: socket.socket) -> bytes:
    """The next message; empty when the parent is gone."""
    from pipelines.media.wire import LENGTH

    head = _exactly(channel, LENGTH.size)
    return _exactly(channel, LENGTH.unpack(head)[0]) if head else b""


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = channel.recv(size - len(data))
        if not part:
            return b""
        data += part
    return bytes(data)


def _serve(channel: socket.socket, body: bytes) -> None:
    from pipelines.media import wire
    from pipelines.media.shared_tiles import TileFile

    tile_file = TileFile()
    answer = _answer(channel, body, tile_file)
    message = wire.framed(answer.body)
    try:
        sent = socket.send_fds(channel, [message], [tile_file.seal()]) if answer.decoded else 0
        channel.sendall(message[sent:])
    finally:
        tile_file.close()


def _answer(channel: socket.socket, body: bytes, tile_file: TileFile) -> _Answer:
    """Every outcome as a message: nothing that a file provokes may end this process but a crash."""
    from pipelines.errors import MediaError, MediaTooLargeError
    from pipelines.media import wire
    from pipelines.media.asked_ranges import AskedRanges
    from pipelines.media.extract import extract

    request = wire.unpack_request(body, partial(AskedRanges, channel, receive))
    try:
        limit_memory(request.limits.memory_bytes)
        return _Answer(wire.pack_media(extract(request, tile_file.new_tiles)), decoded=True)
    except wire.TELLABLE as error:
        return _Answer(wire.pack_error(error), decoded=False)
    except MemoryError:
        message = f"needs more than {request.limits.memory_bytes // 2**20} MB to decode"
        too_large = MediaTooLargeError(message, next_step="Shrink the media, or raise REELMILL_DECODE_MEMORY_MB")
        return _Answer(wire.pack_error(too_large), decoded=False)
    except Exception as error:  # noqa: BLE001 - the boundary: readers raise anything on hostile bytes
        message = f"cannot be decoded ({type(error).__name__}: {error})"
        return _Answer(wire.pack_error(MediaError(message, next_step="Re-encode the file")), decoded=False)


if __name__ == "__main__":
    main(sys.argv[1:])
