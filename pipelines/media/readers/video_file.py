"""An open video through PyAV: one demuxer off the whitelist, an already open file, no protocols."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipelines.errors import MediaError, NoFramesError, TruncatedMediaError, WholeFileNeededError
from pipelines.media.readers.base import check_frame_count, check_pixels
from pipelines.media.readers.completeness import missing_part
from pipelines.media.readers.packet_index import Keyframe, PacketIndex, index_packets, index_unread_packets
from pipelines.media.readers.payload import find_payload
from pipelines.media.readers.transport_damage import transport_damage
from pipelines.media.source import MediaSource
from pipelines.media.spare_threads import spare_threads
from pipelines.media.types import MediaInfo

READ_BUFFER_BYTES = 256 * 1024
RANGED_BUFFER_BYTES = 32 * 1024
"""Small: FFmpeg fills it also where it needs but the start."""
CONTAINER_OPTIONS = {"protocol_whitelist": "none", "enable_drefs": "0", "use_absolute_path": "0"}
INDEX_OPTIONS = {"probesize": "32", "analyzeduration": "0", "fflags": "+noparse"}
"""For packets that may be blank: nothing is to be learnt from them, and a parser would unmake keyframes."""
BLANK_INDEXED_CODECS = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
"""A sample of theirs is a packet and a frame, whatever is in it."""
FRAME_THREADED_CODECS = frozenset({"h264", "hevc"})
"""Their stream's own decoder has one thread, whatever there are: damage is met and counted alike with any number."""
FALLBACK_FPS = 25.0
"""For streams that tell neither a rate nor a duration."""


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video that has shown its first frame.

    Attributes:
        first_packet: that with which decoding starts.
        index: its packets; `info.frame_count` counts them.
        pixel_format: FFmpeg's name, `yuv420p` for most.
    """

    source: MediaSource
    container: InputContainer
    stream: VideoStream
    info: MediaInfo
    first_packet: Packet[VideoStream]
    index: PacketIndex
    pixel_format: str

    def rewind(self) -> None:
        """Back to the first packet. The decoder still has to be flushed."""
        _rewind(self.container, self.stream)

    def seek(self, keyframe: Keyframe) -> None:
        """To a keyframe's packet. The decoder still has to be flushed."""
        self.container.seek(keyframe.time, stream=self.stream, backward=True)

    def timestamp_s(self, index: int) -> float:
        """When a frame is shown, in seconds since the first one."""
        if self.index.times and self.stream.time_base is not None:
            return float((self.index.times[index] - self.index.times[0]) * self.stream.time_base)
        return index / (self.info.fps or FALLBACK_FPS)

    def close(self) -> None:
        self.container.close()


def open_video(source: MediaSource) -> VideoFile:
    """Open a video and decode its first frame.

    Raises:
        TruncatedMediaError: the container says that more should follow.
        NoFramesError: audio only, or nothing can be decoded.
        MediaTooLargeError: before anything is decoded.
        MediaError: cannot be read as what it starts like.
        WholeFileNeededError: a file that is read by ranges should not be.
    """
    find_payload(source)
    missing = missing_part(source)
    if missing:
        raise TruncatedMediaError(missing, subject=source.name)
    container = _open_container(source)
    try:
        stream = _video_stream(source, container)
        first = _first_frame(source, container, stream)
        check_pixels(source, first.frame.width, first.frame.height)
        _read_alone(source, container, stream)
        indexed = _index_blanked(source, stream) if source.ranged else _index(source, container, stream)
        check_frame_count(source, indexed.index.frame_count)
        info = _describe(source, stream, first.frame, indexed)
        return VideoFile(source, container, stream, info, first.packet, indexed.index, first.frame.format.name)
    except BaseException:
        container.close()
        raise


def _open_container(source: MediaSource) -> InputContainer:
    source.file.seek(0)
    return _opened(source, source.file, RANGED_BUFFER_BYTES if source.ranged else READ_BUFFER_BYTES, {})


def _opened(source: MediaSource, file: BinaryIO, buffer_bytes: int, options: dict[str, str]) -> InputContainer:
    try:
        return av.open(
            file,
            mode="r",
            format=source.format.reader_format,
            container_options=CONTAINER_OPTIONS | options,
            buffer_size=buffer_bytes,
            metadata_errors="replace",
        )
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        message = f"starts like {source.format.name} but cannot be read as such ({_reason(error)})"
        raise MediaError(message, subject=source.name, next_step="Re-encode the file") from error


def _video_stream(source: MediaSource, container: InputContainer) -> VideoStream:
    pictures = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not pictures:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise NoFramesError(f"has no video stream (only {kinds})", subject=source.name)
    stream = pictures[0]
    if stream.codec_context is None:
        raise MediaError("its video codec is unknown", subject=source.name, next_step="Re-encode the file")
    check_pixels(source, stream.codec_context.width, stream.codec_context.height)
    check_frame_count(source, stream.frames)
    stream.codec_context.thread_count = _own_threads(source, stream.codec_context)
    stream.codec_context.options = {"max_pixels": str(source.limits.max_pixels)}
    return stream


def _own_threads(source: MediaSource, context: VideoCodecContext) -> int:
    if context.codec.canonical_name in FRAME_THREADED_CODECS:
        return 1
    return spare_threads(source.limits, context.width, context.height)


def _read_alone(source: MediaSource, container: InputContainer, stream: VideoStream) -> None:
    """Sound between the pictures of a ranged file need not be fetched."""
    for other in container.streams if source.ranged else ():
        if other is not stream:
            other.discard = Discard.all


@dataclass(frozen=True, slots=True, eq=False)
class _First:
    """The first packet, and the first frame, which may have come of a later one."""

    packet: Packet[VideoStream]
    frame: VideoFrame


def _first_frame(source: MediaSource, container: InputContainer, stream: VideoStream) -> _First:
    reason = "none of its packets decodes"
    first: Packet[VideoStream] | None = None
    try:
        for packet in container.demux(stream):
            first = first or packet
            try:
                for frame in packet.decode():
                    return _First(first, frame)
            except MemoryError:
                raise
            except av.FFmpegError as error:
                reason = _reason(error)
    except MemoryError:
        raise
    except av.FFmpegError as error:
        reason = _reason(error)
    raise NoFramesError(f"has a video stream without a readable frame ({reason})", subject=source.name)


def _describe(source: MediaSource, stream: VideoStream, first: VideoFrame, indexed: _Indexed) -> MediaInfo:
    index = indexed.index
    fps = float(stream.average_rate) if stream.average_rate else None
    duration_s = indexed.duration_s or index.frame_count / (fps or FALLBACK_FPS)
    quarter_turns = round(first.rotation / 90) % 4
    width, height = (first.height, first.width) if quarter_turns % 2 else (first.width, first.height)
    return MediaInfo(
        kind="video",
        format=source.format.name,
        codec=stream.codec_context.codec.canonical_name,
        width=width,
        height=height,
        frame_count=index.frame_count,
        duration_s=duration_s,
        fps=fps or index.frame_count / duration_s,
        rotation_deg=quarter_turns * 90,
    )


@dataclass(frozen=True, slots=True)
class _Indexed:
    """`duration_s` is the container's, which may know it only after all packets were seen."""

    index: PacketIndex
    duration_s: float | None


def _index(source: MediaSource, container: InputContainer, stream: VideoStream) -> _Indexed:
    _rewind(container, stream)
    index = index_packets(container, stream, source.format.reader_format)
    if source.format.reader_format == "mpegts":
        index = replace(index, damaged=index.damaged + transport_damage(source.file, stream.id))
    return _Indexed(index, _duration_s(container, stream))


def _index_blanked(source: MediaSource, stream: VideoStream) -> _Indexed:
    """Through a second container: the first one's buffer must never hold blank bytes."""
    if source.ranged is None or stream.codec_context.codec.canonical_name not in BLANK_INDEXED_CODECS:
        raise WholeFileNeededError("its packets have to be parsed to be counted", subject=source.name)
    blanked = cast(BinaryIO, source.ranged.without_payload())
    with _opened(source, blanked, READ_BUFFER_BYTES, INDEX_OPTIONS) as container:
        other = container.streams[stream.index]
        try:
            index = index_unread_packets(container, cast(VideoStream, other), source.format.reader_format)
        except MemoryError:
            raise
        except av.FFmpegError as error:
            raise WholeFileNeededError(f"its index is damaged ({_reason(error)})", subject=source.name) from error
        return _Indexed(index, _duration_s(container, cast(VideoStream, other)))


def _rewind(container: InputContainer, stream: VideoStream) -> None:
    container.seek(min(0, stream.start_time or 0), stream=stream, backward=True)


def _duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
