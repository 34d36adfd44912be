"""A decoder that works on several frames at a time, beside the stream's own.

Left to itself a decoder shares the parts of one frame among its threads, and most H.264 has one part per frame. Working
on several frames it holds one more per thread, hands frames out later, and loses frames together with an error: so it
reads sound files only, and the stream's own decoder finds the first frame and whatever is near damage.
"""

from __future__ import annotations

import av
from av.codec.context import CodecContext, ThreadType
from av.video.codeccontext import VideoCodecContext

from pipelines.media.readers.video_file import FRAME_THREADED_CODECS, VideoFile
from pipelines.media.spare_threads import spare_threads

FROM_THE_CONTAINER = ("extradata", "width", "height", "pix_fmt", "reorder_depth",
                      "color_range", "color_primaries", "color_trc", "colorspace")  # fmt: skip


def sound_decoder(video: VideoFile) -> VideoCodecContext:
    """What decodes the sound parts of a video: the stream's own decoder unless there are threads for more."""
    own = video.stream.codec_context
    threads = spare_threads(video.source.limits, video.info.width, video.info.height)
    if threads < 2 or own.codec.canonical_name not in FRAME_THREADED_CODECS:
        return own
    # The frames that it still holds.
    own.flush_buffers()
    beside = _like(own)
    beside.options = {"max_pixels": str(video.source.limits.max_pixels)}
    beside.thread_count, beside.thread_type = threads, ThreadType.FRAME
    _warm_up(beside, video)
    return beside


def _like(own: VideoCodecContext) -> VideoCodecContext:
    context = CodecContext.create(own.codec, "r")
    if not isinstance(context, VideoCodecContext):
        raise TypeError(f"{own.codec.name} is not a codec of videos")
    for name in FROM_THE_CONTAINER:
        value = getattr(own, name)
        if value is not None:
            setattr(context, name, value)
    return context


def _warm_up(context: VideoCodecContext, video: VideoFile) -> None:
    """Decode the first packet: what it alone tells (parameter sets, the encoder with its bugs) decides about pixels."""
    try:
        context.decode(video.first_packet)
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
    context.flush_buffers()
