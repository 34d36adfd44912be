"""Images, and animations as videos, through Pillow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate

from PIL import Image, ImageOps, UnidentifiedImageError

from pipelines.errors import MediaError, MediaTooLargeError, NotMediaError, TruncatedMediaError
from pipelines.media.readers.base import ReadFrame, check_pixels, small_size
from pipelines.media.readers.jpeg_damage import jpeg_damage
from pipelines.media.readers.png_damage import check_png
from pipelines.media.readers.png_pixels import is_plain_png, png_pixels
from pipelines.media.readers.timeline import Timeline, read_timeline
from pipelines.media.source import MediaSource
from pipelines.media.tiling import Picture, Size
from pipelines.media.types import MediaInfo

EXIF_ORIENTATION_TAG = 0x0112
SIDEWAYS_ORIENTATIONS = frozenset({5, 6, 7, 8})


class PillowReader:
    """A FrameReader. Alpha is dropped as by the published loader (`convert("RGB")`); EXIF rotation is applied.

    Raises:
        MediaTooLargeError: before anything is decoded.
        NotMediaError, TruncatedMediaError, MediaError: the header cannot be read.
    """

    def __init__(self, source: MediaSource) -> None:
        self.decode_errors = 0
        self._looked = False
        self._source = source
        timeline = read_timeline(source) if source.format.family == "animation" else Timeline(())
        self._timeline = timeline if len(timeline.durations_s) > 1 else Timeline((), timeline.hidden_frames)
        self._starts_s = tuple(accumulate(self._timeline.durations_s, initial=0.0))
        with _pillow_errors(source), _pillow_pixel_limit(source):
            self._image = _open(source)
            # Before anything is decoded; EXIF alone can make Pillow decode a PNG.
            check_pixels(source, *self._image.size)
            self._plain_png = source.format.name == "png" and is_plain_png(source.file)
            self.info = self._describe()

    def read(self, indices: Sequence[int], at_least: Size | None = None) -> Iterator[ReadFrame]:
        """One RGB picture per index; a JPEG may come at 1/2, 1/4 or 1/8 of its size, scaled by its own transform."""
        if at_least is not None:
            self._shrink(at_least)
        last: ReadFrame | None = None
        for index in indices:
            if last is None or last.index != index:
                last = ReadFrame(index, self._timestamp_s(index), self._picture(index))
            yield last

    def thumbnails(self, indices: Sequence[int], side: int) -> Iterator[ReadFrame]:
        """Pictures are decoded whole, and then made small."""
        size = small_size(self.info, side)
        for read in self.read(indices):
            picture = read.picture if isinstance(read.picture, Image.Image) else Image.fromarray(read.picture)
            small = picture.resize((size.width, size.height), Image.Resampling.BOX)
            yield ReadFrame(read.index, read.timestamp_s, small)

    def close(self) -> None:
        """Let go of the decoded picture."""
        self._image.close()

    def _shrink(self, at_least: Size) -> None:
        width, height = at_least.width, at_least.height
        if self._orientation() in SIDEWAYS_ORIENTATIONS:
            width, height = height, width
        self._image.draft(None, (width, height))

    def _picture(self, index: int) -> Picture:
        with _pillow_errors(self._source), _pillow_pixel_limit(self._source):
            if self._plain_png and (pixels := png_pixels(self._source.file)) is not None:
                # FFmpeg has looked at the checksums.
                if not pixels[-1].any():
                    check_png(self._source, lengths=True)
                return pixels
            if self._timeline.durations_s:
                self._image.seek(index + self._timeline.hidden_frames)
            self._image.load()
            self._look_for_damage()
            upright = ImageOps.exif_transpose(self._image) if self._orientation() > 1 else self._image
            return upright.convert("RGB")

    def _look_for_damage(self) -> None:
        """Once per file. A last row of nothing but zeros may be one that never came."""
        if self._looked:
            return
        self._looked = True
        if self._source.format.name == "png":
            check_png(self._source, lengths=bool(self._timeline.durations_s) or _ends_in_zeros(self._image))
        elif self._source.format.name == "jpeg":
            self.decode_errors = jpeg_damage(self._source.file, self._image)

    def _timestamp_s(self, index: int) -> float | None:
        return self._starts_s[index] if self._timeline.durations_s else None

    def _orientation(self) -> int:
        if self._plain_png:
            # Asked for EXIF, Pillow decodes the whole picture, for it may stand behind the data.
            return 1
        orientation = self._image.getexif().get(EXIF_ORIENTATION_TAG, 1)
        return orientation if isinstance(orientation, int) else 1

    def _describe(self) -> MediaInfo:
        width, height = self._image.size
        if self._orientation() in SIDEWAYS_ORIENTATIONS:
            width, height = height, width
        frames, duration_s = len(self._timeline.durations_s), self._starts_s[-1]
        return MediaInfo(
            kind="video" if frames else "image",
            format=self._source.format.name,
            codec=None,
            width=width,
            height=height,
            frame_count=frames or 1,
            duration_s=duration_s if frames else None,
            fps=frames / duration_s if frames else None,
        )


def _ends_in_zeros(image: Image.Image) -> bool:
    width, height = image.size
    # The last row of an interlaced picture comes before most of the others.
    interlaced = bool(image.info.get("interlace"))
    return interlaced or image.crop((0, height - 1, width, height)).getbbox(alpha_only=False) is None


def _open(source: MediaSource) -> Image.Image:
    source.file.seek(0)
    return Image.open(source.file, formats=[source.format.reader_format])


@contextmanager
def _pillow_pixel_limit(source: MediaSource) -> Iterator[None]:
    """Pillow's own limit, one of the whole process, for pictures inside others too (icons, frames of an odd GIF)."""
    before = Image.MAX_IMAGE_PIXELS
    # Pillow refuses at twice this number, and warns before.
    Image.MAX_IMAGE_PIXELS = (source.limits.max_pixels + 1) // 2
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _pillow_errors(source: MediaSource) -> Iterator[None]:
    """Whatever a plugin raises on a broken file, as an error that names it."""
    try:
        yield
    except (MediaError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise MediaTooLargeError(str(error).partition(",")[0], subject=source.name) from error
    except UnidentifiedImageError as error:
        message = f"starts like {source.format.name} but cannot be read as such"
        raise NotMediaError(message, subject=source.name) from error
    except EOFError as error:
        raise TruncatedMediaError("ends before its last frame", subject=source.name) from error
    except Exception as error:
        # Plugins raise nearly anything on hostile bytes: struct.error, SyntaxError, KeyError, ZeroDivisionError, …
        if "truncated" in str(error).lower():
            raise TruncatedMediaError(f"ends before it should ({error})", subject=source.name) from error
        message = f"cannot be decoded as {source.format.name} ({error})"
        raise MediaError(message, subject=source.name, next_step="Save it again with another program") from error
