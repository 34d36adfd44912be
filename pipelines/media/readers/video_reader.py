"""Videos through PyAV; or through decord where it reads rightly, and PyAV for the rest and wherever decord gives up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.media.readers.av_reader import AvReader
from pipelines.media.readers.base import FrameReader, ReaderGaveUpError, ReadFrame
from pipelines.media.readers.decord_reader import DecordReader, decord_reads
from pipelines.media.readers.video_file import VideoFile, open_video
from pipelines.media.source import MediaSource
from pipelines.media.tiling import Size
from pipelines.media.types import MediaInfo, VideoLibrary


class VideoReader:
    """A FrameReader over the two. `info` stays what it was when the video was opened.

    Raises:
        MediaError: as `open_video` and `AvReader`.
    """

    def __init__(self, source: MediaSource, library: VideoLibrary) -> None:
        self._video = open_video(source)
        try:
            self._reader = _first_choice(self._video, library)
        except BaseException:
            self._video.close()
            raise
        self._info = self._reader.info

    @property
    def info(self) -> MediaInfo:
        return self._info

    @property
    def decode_errors(self) -> int:
        return self._reader.decode_errors

    def read(self, indices: Sequence[int], at_least: Size | None = None) -> Iterator[ReadFrame]:
        """One RGB frame per index; after decord gave up, the rest through PyAV."""
        done = 0
        try:
            for frame in self._reader.read(indices, at_least):
                yield frame
                done += 1
        except ReaderGaveUpError:
            self._reader = AvReader(self._video)
            yield from self._reader.read(indices[done:], at_least)

    def thumbnails(self, indices: Sequence[int], side: int) -> Iterator[ReadFrame]:
        """Through PyAV, by a reader of its own: what it meets is met again, and counted, when frames are read."""
        return AvReader(self._video).thumbnails(indices, side)

    def close(self) -> None:
        """Release the decoders."""
        self._reader.close()


def _first_choice(video: VideoFile, library: VideoLibrary) -> FrameReader:
    if library == "decord" and not video.source.ranged and decord_reads(video):
        try:
            return DecordReader(video)
        except ReaderGaveUpError:
            pass
    return AvReader(video)
