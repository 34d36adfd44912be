"""Where a report's frames come from: whoever makes the page brings the reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reelmill.job_results import StoredMedia


@dataclass(frozen=True, slots=True)
class Pictures:
    """JPEG files by frame index; `missing` says why there are none, or fewer than asked for."""

    jpegs: Mapping[int, bytes]
    missing: str = ""


class PictureSource(Protocol):
    """Reads frames of one media object."""

    def read(self, media: StoredMedia, indices: Sequence[int]) -> Pictures:
        """What can be had of those frames; never raises for what is wrong with the media."""
        ...


@dataclass(frozen=True, slots=True)
class NoPictures:
    """A PictureSource without any, and why."""

    reason: str

    def read(self, media: StoredMedia, indices: Sequence[int]) -> Pictures:
        return Pictures({}, self.reason)


class BoundedPictures:
    """A PictureSource that stops reading once its pictures together have reached `most_bytes`: a page has to open."""

    def __init__(self, source: PictureSource, most_bytes: int) -> None:
        self._source = source
        self._left_bytes = most_bytes
        self._most_bytes = most_bytes

    def read(self, media: StoredMedia, indices: Sequence[int]) -> Pictures:
        if self._left_bytes <= 0:
            return Pictures({}, f"this page has its {self._most_bytes / 1e6:,.0f} MB of pictures already")
        pictures = self._source.read(media, indices)
        self._left_bytes -= sum(map(len, pictures.jpegs.values()))
        return pictures
