"""Where the shots of a video begin: PySceneDetect, shown small pictures that our own reader decodes."""

from __future__ import annotations

from array import array
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import numpy.typing as npt

from pipelines.errors import MediaTooLargeError, ScenesUnavailableError
from pipelines.media.readers.base import FrameReader

THUMBNAIL_SIDE = 256
"""PySceneDetect's own width for detection."""
NOMINAL_FPS = 25.0
"""Lengths are counted in frames: what a file says of its rate does not matter to the detector."""


@cache
def detector_version() -> str | None:
    """Of what is installed here: another one may cut elsewhere. None where nothing is."""
    for name in ("scenedetect-headless", "scenedetect"):
        with suppress(PackageNotFoundError):
            return f"{name} {version(name)}"
    return None


@dataclass(frozen=True, slots=True)
class Cut:
    """The first frame of a shot, and its time in seconds."""

    index: int
    time_s: float


class CutDetector:
    """PySceneDetect's content detector: sees cuts, not fades. Is shown consecutive frames.

    Args:
        min_frames: cuts that are nearer to each other than this are one.

    Raises:
        ScenesUnavailableError: it is not installed here, or cannot be loaded.
    """

    def __init__(self, min_frames: int) -> None:
        try:
            import cv2
            from scenedetect.common import FrameTimecode
            from scenedetect.detectors import ContentDetector
        except ImportError as error:
            raise ScenesUnavailableError(f"PySceneDetect, which finds scenes, does not load ({error})") from error
        cv2.setNumThreads(1)
        self._detector = ContentDetector(min_scene_len=min_frames)
        self._place = FrameTimecode

    def look(self, index: int, picture: npt.NDArray[np.uint8]) -> list[int]:
        """Indices of frames, this one or earlier ones, that turn out to begin a shot. The picture is RGB."""
        bgr = np.ascontiguousarray(picture[:, :, ::-1])
        return [found.frame_num for found in self._detector.process_frame(self._place(index, NOMINAL_FPS), bgr)]


def find_cuts(
    reader: FrameReader, frames: range, detector: CutDetector, min_frames: int, most: int, name: str
) -> tuple[Cut, ...]:
    """Where shots begin within these frames; their first one is not named. All are decoded.

    Args:
        most: shots there may be.

    Raises:
        MediaTooLargeError: there are more; found out as soon as it is so.
        MediaError: as `FrameReader.read`.
    """
    times = array("d")
    indices: list[int] = []
    for index, thumbnail in zip(frames, reader.thumbnails(frames, THUMBNAIL_SIDE), strict=True):
        times.append(thumbnail.timestamp_s or 0.0)
        indices += detector.look(index, np.asarray(thumbnail.picture))
        if len(indices) >= most:
            raise MediaTooLargeError(
                f"has more than {most} scenes",
                subject=name,
                next_step="Ask for a longer min_scene_s, fewer segments, or a bound",
            )
    return tuple(Cut(index, times[index - frames.start]) for index in indices if frames.stop - index >= min_frames)
