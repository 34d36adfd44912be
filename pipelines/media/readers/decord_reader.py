"""Videos through decord, the published loader's reader.

decord 0.6 carries FFmpeg 4.1: no AV1, silently wrong colours beyond 8 bits; near damaged parts it repeats earlier
frames without a word, and after a seek into an open group of pictures it hands out other frames than were asked for.
It is given only what it reads rightly, and it gives up at the first error that its decoder logs.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from pipelines.media.readers.av_reader import AvReader
from pipelines.media.readers.base import ReaderGaveUpError, ReadFrame
from pipelines.media.readers.video_file import VideoFile
from pipelines.media.tiling import Size

DEMUXERS = frozenset({"mov", "matroska"})
CODECS = frozenset({"h264", "vp8", "vp9"})
PIXEL_FORMATS = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
FFMPEG_LOG_ERROR = 16


def decord_reads(video: VideoFile) -> bool:
    """Whether decord is known to read such a video rightly.

    decord guesses the container again by itself. A first byte that no text has keeps its guess away from playlists.
    """
    # Without moving the file, whose position is PyAV's by now.
    binary = os.pread(video.source.file.fileno(), 1, 0) in (b"\x00", b"\x1a")
    known = video.info.codec in CODECS and video.pixel_format in PIXEL_FORMATS and not video.index.damaged
    return (
        binary and known and video.index.closed and video.source.format.reader_format in DEMUXERS and _decord_is_here()
    )


class DecordReader:
    """A FrameReader beside an open video, which stays its owner's until the reader is closed.

    Raises:
        ReaderGaveUpError: decord cannot read it.
    """

    decode_errors = 0

    def __init__(self, video: VideoFile) -> None:
        import decord

        self._video = video
        self._errors = _error_log()
        self._errors.count = 0
        with _giving_up():
            self._reader = decord.VideoReader(video.source.descriptor_path, num_threads=1)
            count = len(self._reader)
        if count != video.info.frame_count or len(video.index.times) != count:
            raise ReaderGaveUpError("it counts other frames than PyAV")
        self.info = video.info

    def read(self, indices: Sequence[int], at_least: Size | None = None) -> Iterator[ReadFrame]:
        """One RGB frame per index."""
        last: ReadFrame | None = None
        for index in indices:
            if last is None or last.index != index:
                last = self._read_one(index)
            yield last

    def thumbnails(self, indices: Sequence[int], side: int) -> Iterator[ReadFrame]:
        """PyAV makes them at a fraction of the cost."""
        return AvReader(self._video).thumbnails(indices, side)

    def close(self) -> None:
        """Release the decoder."""
        del self._reader
        self._video.close()

    def _read_one(self, index: int) -> ReadFrame:
        with _giving_up():
            pixels = self._reader[index].asnumpy()
        if self._errors.count:
            raise ReaderGaveUpError(f"{self._errors.count} decoder errors")
        if pixels.shape != (self.info.height, self.info.width, 3):
            raise ReaderGaveUpError("unexpected frame size")
        return ReadFrame(index, self._video.timestamp_s(index), pixels)


@contextmanager
def _giving_up() -> Iterator[None]:
    """decord raises its own errors, RuntimeError, AssertionError or IndexError on files that it cannot read."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise ReaderGaveUpError(str(error)) from error


class _ErrorLog:
    """Counts what decord's FFmpeg logs as an error: decord itself reports none of it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.count = 0
        signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        # Kept, because FFmpeg calls it for as long as it is loaded.
        self._callback = signature(self._logged)
        library.av_log_set_callback(self._callback)

    def _logged(self, _context: int, level: int, _format: bytes, _arguments: int) -> None:
        self.count += int(level <= FFMPEG_LOG_ERROR)


@lru_cache(maxsize=1)
def _error_log() -> _ErrorLog:
    """The log of the FFmpeg that came with decord: PyAV brings another one into the same process."""
    mapped = Path("/proc/self/maps").read_text().splitlines()
    libraries = {line.split()[-1] for line in mapped if "decord" in line and "libavutil" in line}
    if len(libraries) != 1:
        raise ReaderGaveUpError("decord's FFmpeg was not found: its errors would go unseen")
    return _ErrorLog(ctypes.CDLL(libraries.pop()))


@lru_cache(maxsize=1)
def _decord_is_here() -> bool:
    return importlib.util.find_spec("decord") is not None
