"""Frames of a damaged or oddly indexed video: everything from a keyframe on is decoded, and every error counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipelines.errors import NoFramesError
from pipelines.media.readers.placed_frame import PlacedFrame
from pipelines.media.readers.video_file import VideoFile


class CarefulDecoder:
    """Leaves the file anywhere, and starts from anywhere. Attributes:

    decode_errors: damaged packets and frames met, and frames that were not there.
    may_seek: false once the container's index has lied.
    """

    def __init__(self, video: VideoFile) -> None:
        self._video, self._index = video, video.index
        self.decode_errors = 0
        self.may_seek = bool(self._index.keyframes)
        self._position = -1
        self._frames: Iterator[VideoFrame] = iter(())

    def read(self, indices: Sequence[int]) -> Iterator[PlacedFrame]:
        """One frame per index, which ascend: the frame itself, the next readable one after it, or the last of all."""
        self._rewind()
        last: PlacedFrame | None = None
        for index in indices:
            if last is None or last.index < index:
                last = self._read_one(index) or last
            if last is None:
                raise NoFramesError("has a video stream without a readable frame", subject=self._video.source.name)
            yield last

    def _read_one(self, index: int) -> PlacedFrame | None:
        self._seek_ahead(index)
        newest: VideoFrame | None = None
        for frame in self._frames:
            newest, self._position = frame, self._place(frame)
            if self._position >= index:
                break
        if newest is None:
            return None
        if self._position != index:
            self.decode_errors += 1
        return PlacedFrame(self._position, newest)

    def _rewind(self) -> None:
        self._video.rewind()
        self._restart()

    def _restart(self) -> None:
        self._video.stream.codec_context.flush_buffers()
        self._position = -1
        self._frames = self._decoded()

    def _seek_ahead(self, index: int) -> None:
        keyframe = self._index.keyframe_before(index) if self.may_seek else None
        if keyframe is None or keyframe.index <= self._position + 1:
            return
        self._video.seek(keyframe)
        self._restart()
        first = next(self._frames, None)
        if first is None or self._place(first) > index:
            # The container's index lies: count from the start instead.
            self.may_seek = False
            self._rewind()
            return
        self._frames = chain((first,), self._frames)

    def _decoded(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            try:
                frames = packet.decode()
            except MemoryError:
                raise
            except av.FFmpegError:
                self.decode_errors += 1
                continue
            for frame in frames:
                self.decode_errors += int(frame.is_corrupt)
                yield frame

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        try:
            yield from self._video.container.demux(self._video.stream)
        except MemoryError:
            raise
        except av.FFmpegError:
            self.decode_errors += 1

    def _place(self, frame: VideoFrame) -> int:
        if self._index.times and frame.pts is not None:
            return self._index.index_at(frame.pts)
        return self._position + 1
