"""What a media file holds, and the reader that takes its frames out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.media.ranges import ByteRanges
from pipelines.media.readers.base import FrameReader
from pipelines.media.source import open_source
from pipelines.media.types import DecodeLimits, MediaInfo, VideoLibrary


@contextmanager
def open_reader(
    path: str,
    name: str,
    limits: DecodeLimits,
    video_library: VideoLibrary = "av",
    ranges: ByteRanges | None = None,
) -> Iterator[FrameReader]:
    """The reader for a file, chosen by its bytes. An animation of several frames is a video.

    Args:
        name: what errors call the file.
        ranges: where the bytes come from if not from `path`.

    Raises:
        MediaError: the file is empty, not media, cut off, too large, or without frames.
        WholeFileNeededError: reading by ranges does not pay, or is not enough; here or while frames are read.
    """
    source = open_source(path, name, limits, ranges)
    with source.file:
        if source.format.family == "video":
            # Video libraries only for videos: an image's decoder process stays small.
            from pipelines.media.readers.video_reader import VideoReader

            reader: FrameReader = VideoReader(source, video_library)
        else:
            from pipelines.media.readers.pillow_reader import PillowReader

            reader = PillowReader(source)
        try:
            yield reader
        finally:
            reader.close()


def probe(path: str, name: str, limits: DecodeLimits | None = None) -> MediaInfo:
    """What a local file holds; sizes are upright. Raises as `open_reader`."""
    with open_reader(path, name, limits or DecodeLimits()) as reader:
        return reader.info
