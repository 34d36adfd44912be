"""Frames of a sound video, with as little decoding between them as their pixels allow.

From the keyframe before a wanted frame only what may be referenced is decoded, and nothing behind the wanted frame's
own packet: the decoder is drained there instead of being fed until its reordering lets go of the frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipelines.media.readers.frame_threads import sound_decoder
from pipelines.media.readers.nonreference import may_skip_nonreference
from pipelines.media.readers.packet_index import Keyframe, PacketIndex
from pipelines.media.readers.placed_frame import PlacedFrame
from pipelines.media.readers.video_file import VideoFile


class UnsoundVideoError(Exception):
    """Something is damaged, or not where the index says; never leaves the package."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Wanted frames, ascending, that are reached from one keyframe; from the start of the file when it is None."""

    keyframe: Keyframe | None
    indices: tuple[int, ...]


def stretches(index: PacketIndex, indices: Sequence[int]) -> Iterator[Stretch]:
    """Wanted frames, which ascend, by the keyframe before them."""
    reached: list[int] = []
    keyframe: Keyframe | None = None
    for wanted in indices:
        nearest = index.keyframe_before(wanted)
        if reached and nearest != keyframe:
            yield Stretch(keyframe, tuple(reached))
            reached = []
        keyframe = nearest
        reached.append(wanted)
    if reached:
        yield Stretch(keyframe, tuple(reached))


class SkippingDecoder:
    """Leaves the file anywhere, and starts from anywhere."""

    def __init__(self, video: VideoFile) -> None:
        self._video = video
        self._context = sound_decoder(video)
        self._skips = may_skip_nonreference(self._context)

    def read(self, stretch: Stretch) -> Iterator[PlacedFrame]:
        """The wanted frames of a stretch in their order, each as soon as it is decoded.

        Raises:
            UnsoundVideoError: the rest has to be read carefully.
        """
        times = [self._video.index.times[index] for index in stretch.indices]
        found = 0
        try:
            for frame in self._decoded(stretch, frozenset(times)):
                if frame.is_corrupt:
                    raise UnsoundVideoError
                if found < len(times) and frame.pts == times[found]:
                    yield PlacedFrame(stretch.indices[found], frame)
                    found += 1
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            raise UnsoundVideoError from error
        finally:
            self._context.skip_frame = "DEFAULT"
            self._context.flush_buffers()
        if found < len(times):
            raise UnsoundVideoError

    def _decoded(self, stretch: Stretch, wanted: frozenset[int]) -> Iterator[VideoFrame]:
        unsent = set(wanted)
        for packet in self._packets(stretch):
            if self._skips:
                self._context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            yield from self._context.decode(packet)
            unsent.discard(packet.pts)
            if not unsent:
                break
        yield from self._context.decode(None)

    def _packets(self, stretch: Stretch) -> Iterator[Packet[VideoStream]]:
        if stretch.keyframe is None:
            self._video.rewind()
        else:
            self._video.seek(stretch.keyframe)
        self._context.flush_buffers()
        for packet in self._video.container.demux(self._video.stream):
            if packet.size:
                yield packet
