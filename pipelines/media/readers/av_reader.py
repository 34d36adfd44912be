"""Videos through PyAV: everything on the whitelist, damaged files included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
from av.video.reformatter import VideoReformatter

from pipelines.errors import WholeFileNeededError
from pipelines.media.readers.base import ReadFrame, small_size
from pipelines.media.readers.careful_decoder import CarefulDecoder
from pipelines.media.readers.expectation import expect_frames
from pipelines.media.readers.placed_frame import PlacedFrame
from pipelines.media.readers.skipping_decoder import SkippingDecoder, UnsoundVideoError, stretches
from pipelines.media.readers.video_file import VideoFile
from pipelines.media.spare_threads import spare_threads
from pipelines.media.tiling import Rgb, Size


class AvReader:
    """A FrameReader that takes an open video over."""

    def __init__(self, video: VideoFile) -> None:
        self._video = video
        self.info = video.info
        self._careful = CarefulDecoder(video)
        self._skipping = SkippingDecoder(video) if video.index.times else None
        self._reformatter = VideoReformatter()
        self._threads = spare_threads(video.source.limits, video.info.width, video.info.height)

    @property
    def decode_errors(self) -> int:
        """Damage of the container, and damaged packets and frames met so far; what could be skipped is not met."""
        return self._video.index.damaged + self._careful.decode_errors

    def read(self, indices: Sequence[int], at_least: Size | None = None) -> Iterator[ReadFrame]:
        """One RGB frame per index. Damage in a file that is read by ranges is looked at when it is here as a whole."""
        return self._read(indices, Size(self.info.width, self.info.height))

    def thumbnails(self, indices: Sequence[int], side: int) -> Iterator[ReadFrame]:
        """Small RGB frames: scaled while their colours are converted."""
        return self._read(indices, small_size(self.info, side))

    def close(self) -> None:
        """Release the decoder."""
        self._video.close()

    def _read(self, indices: Sequence[int], size: Size) -> Iterator[ReadFrame]:
        expect_frames(self._video, indices)
        frames = self._placed(tuple(dict.fromkeys(indices)))
        asked, last = -1, None
        for index in indices:
            if last is None or index != asked:
                asked, last = index, self._picture(next(frames), last, size)
            yield last

    def _placed(self, indices: Sequence[int]) -> Iterator[PlacedFrame]:
        """One frame per index, which ascend; what the skipping decoder does not find is looked for carefully."""
        for stretch in stretches(self._video.index, indices):
            done = 0
            if self._skipping is not None and (self._careful.may_seek or stretch.keyframe is None):
                try:
                    for frame in self._skipping.read(stretch):
                        yield frame
                        done += 1
                except UnsoundVideoError as error:
                    if self._video.source.ranged:
                        raise WholeFileNeededError(
                            "is damaged, or starts unclean", subject=self._video.source.name
                        ) from error
            if done < len(stretch.indices):
                yield from self._careful.read(stretch.indices[done:])

    def _picture(self, placed: PlacedFrame, last: ReadFrame | None, size: Size) -> ReadFrame:
        if last is not None and last.index == placed.index:
            return last
        return ReadFrame(placed.index, self._video.timestamp_s(placed.index), self._pixels(placed, size))

    def _pixels(self, placed: PlacedFrame, size: Size) -> Rgb:
        quarter_turns = self.info.rotation_deg // 90
        width, height = size.width, size.height
        if quarter_turns % 2:
            width, height = height, width
        # Left to itself, FFmpeg would take all cores.
        rgb = self._reformatter.reformat(placed.frame, width, height, "rgb24", threads=self._threads)
        pixels = cast(Rgb, rgb.to_ndarray())
        return np.ascontiguousarray(np.rot90(pixels, quarter_turns)) if quarter_turns else pixels
