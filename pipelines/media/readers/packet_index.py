"""Where each frame of a video stands in time: all packets looked at once, none decoded."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import av
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from pipelines.media.ranges import Extent
from pipelines.media.readers.clean_starts import clean_start_check
from pipelines.media.readers.complaints import complaints

SEEKABLE_DEMUXERS = frozenset({"mov", "matroska", "avi"})
"""Their own index leads to a keyframe; elsewhere a seek may land between two, and frames would come out damaged."""
UNSURE_CODECS = frozenset({"vp8", "vp9"})
"""Their decoders make a picture of anything."""
LOST_SECTOR = bytes(32)
"""Zeros where a disk or an upload lost a part; arithmetic coding hardly gives so many together."""


@dataclass(frozen=True, slots=True)
class Keyframe:
    """`index` in display order; `time` in the stream's time base."""

    index: int
    time: int


@dataclass(frozen=True, slots=True, eq=False)
class PacketPlaces:
    """Where packets lie in the file, in the order of decoding; parallel, bytes, and times by which to find them."""

    starts: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    numbers: dict[int, int] = field(default_factory=dict)

    def add(self, time: int, start: int, size: int) -> None:
        """The next packet."""
        self.numbers[time] = len(self.starts)
        self.starts.append(start)
        self.ends.append(start + size)

    def between(self, first: int | None, wanted: Sequence[int]) -> Extent:
        """From the packet of one time (None for the first of all) to the last of the wanted ones."""
        begin = 0 if first is None else self.numbers[first]
        end = max(self.numbers[time] for time in wanted) + 1
        return Extent(min(self.starts[begin:end]), max(self.ends[begin:end]))


@dataclass(frozen=True, slots=True)
class PacketIndex:
    """Attributes:
    times: presentation times in display order (in the stream's time base); empty when the packets do not tell them
        apart, and frames can only be counted.
    keyframes: ascending; empty when seeking is not safe.
    closed: every keyframe is a clean start: nothing shown after it needs what came before.
    places: of the packets; None where nobody has asked.
    damaged: places in the container where it could not be read, whatever was lost there.
    """

    frame_count: int
    times: tuple[int, ...]
    keyframes: tuple[Keyframe, ...]
    closed: bool = False
    places: PacketPlaces | None = None
    damaged: int = 0

    def index_at(self, time: int) -> int:
        """The frame shown at a time."""
        return max(0, bisect_right(self.times, time) - 1)

    def keyframe_before(self, index: int) -> Keyframe | None:
        """The last keyframe not after a frame."""
        place = bisect_right(self.keyframes, index, key=lambda keyframe: keyframe.index)
        return self.keyframes[place - 1] if place else None


def index_unread_packets(container: InputContainer, stream: VideoStream, demuxer: str) -> PacketIndex:
    """The same without a look into the packets, which may be blank, and with their places."""
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    places = PacketPlaces()
    times: list[int | None] = []
    keys: list[int] = []
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard:
            continue
        times.append(packet.pts)
        if packet.pts is None or packet.pos is None:
            continue
        places.add(packet.pts, packet.pos, packet.size)
        if packet.is_keyframe:
            keys.append(packet.pts)
    return replace(_index_of(times, keys, demuxer), places=places)


def index_packets(container: InputContainer, stream: VideoStream, demuxer: str) -> PacketIndex:
    """Walk over the packets of a stream; the container is left at its end."""
    times: list[int | None] = []
    keys: list[int] = []
    starts_clean = clean_start_check(stream)
    closed = True
    unsure = stream.codec_context.codec.canonical_name in UNSURE_CODECS
    damaged = 0
    with complaints(demuxer) as heard:
        try:
            for packet in container.demux(stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                damaged += int(packet.is_corrupt or (unsure and LOST_SECTOR in bytes(packet)))
                times.append(packet.pts)
                if packet.is_keyframe and packet.pts is not None:
                    keys.append(packet.pts)
                    closed = closed and starts_clean(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            # A damaged tail: what was found before it can still be read.
            damaged += 1
    return replace(_index_of(times, keys, demuxer), closed=closed and bool(keys), damaged=damaged + heard.count)


def _index_of(times: list[int | None], keys: list[int], demuxer: str) -> PacketIndex:
    known = sorted(time for time in set(times) if time is not None)
    if len(known) != len(times):
        return PacketIndex(len(times), (), ())
    return PacketIndex(len(known), tuple(known), _keyframes(known, keys, demuxer))


def _keyframes(times: list[int], keys: list[int], demuxer: str) -> tuple[Keyframe, ...]:
    if demuxer not in SEEKABLE_DEMUXERS:
        return ()
    places = {time: index for index, time in enumerate(times)}
    return tuple(Keyframe(places[time], time) for time in sorted(keys))
