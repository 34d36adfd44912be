"""What a demuxer passes over in a transport stream: packets that are lost, marked as damaged, or no packets at all.

Format: ISO/IEC 13818-1, 2.4.3.2 (transport packets) and 2.4.3.5 (adaptation field).
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from pipelines.media.sniff import M2TS_PACKET_BYTES, TS_PACKET_BYTES, TS_SYNC

Packets = npt.NDArray[np.uint8]
"""[packets, 188]"""
READ_PACKETS = 16_384
RESYNC_PACKETS = 3
"""So many sync bytes in their places are a stream again."""
ERROR_BIT, DISCONTINUITY_BIT, ADAPTATION_BIT, PAYLOAD_BIT = 0x80, 0x80, 0x20, 0x10


def transport_damage(file: BinaryIO, pid: int) -> int:
    """Places where packets of a stream are missing or bad, or where the file is out of step. The position is kept."""
    position = file.tell()
    try:
        file.seek(0)
        head = file.read(RESYNC_PACKETS * M2TS_PACKET_BYTES + 4)
        size, offset = (M2TS_PACKET_BYTES, 4) if not _in_step(head, 0, TS_PACKET_BYTES) else (TS_PACKET_BYTES, 0)
        file.seek(offset)
        return _Walk(pid, size).over(file)
    finally:
        file.seek(position)


class _Walk:
    """From packet to packet, noting the counter of one stream."""

    def __init__(self, pid: int, packet_bytes: int) -> None:
        self._pid, self._packet_bytes = pid, packet_bytes
        self._counter: int | None = None
        self._damaged = 0

    def over(self, file: BinaryIO) -> int:
        data = b""
        while more := file.read(READ_PACKETS * self._packet_bytes):
            data = self._read(data + more)
        return self._damaged

    def _read(self, data: bytes) -> bytes:
        """Looks at all whole packets in `data`; returns what is left."""
        while count := len(data) // self._packet_bytes:
            packets = np.frombuffer(data, np.uint8, count * self._packet_bytes).reshape(count, -1)
            out_of_step = np.flatnonzero(packets[:, 0] != TS_SYNC)
            good = int(out_of_step[0]) if len(out_of_step) else count
            self._count(packets[:good, :TS_PACKET_BYTES])
            data = data[good * self._packet_bytes :]
            if good < count:
                self._damaged += 1
                data = self._resynced(data)
        return data

    def _resynced(self, data: bytes) -> bytes:
        place = data.find(TS_SYNC, 1)
        while place >= 0 and not _in_step(data, place, self._packet_bytes):
            place = data.find(TS_SYNC, place + 1)
        return data[place:] if place >= 0 else b""

    def _count(self, packets: Packets) -> None:
        ours = packets[((packets[:, 1].astype(np.int32) & 0x1F) << 8 | packets[:, 2]) == self._pid]
        self._damaged += int(np.count_nonzero(ours[:, 1] & ERROR_BIT))
        ours = ours[(ours[:, 3] & PAYLOAD_BIT) != 0]
        if not len(ours):
            return
        counters = (ours[:, 3] & 0x0F).astype(np.int32)
        before = np.concatenate(([counters[0] - 1 if self._counter is None else self._counter], counters[:-1]))
        steps = (counters - before) % 16
        # A packet may come twice; and a stream may say that it starts counting anew.
        anew = ((ours[:, 3] & ADAPTATION_BIT) != 0) & (ours[:, 4] > 0) & ((ours[:, 5] & DISCONTINUITY_BIT) != 0)
        self._damaged += int(np.count_nonzero((steps > 1) & ~anew))
        self._counter = int(counters[-1])


def _in_step(data: bytes, place: int, packet_bytes: int) -> bool:
    """Whether sync bytes stand where they should, as far as `data` goes."""
    places = range(place, min(len(data), place + RESYNC_PACKETS * packet_bytes), packet_bytes)
    return all(data[at] == TS_SYNC for at in places)
