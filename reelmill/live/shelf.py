"""Frames that were read, kept for the next look: read few at a time, each once, and forgotten in the order of use."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from uuid import UUID

from reelmill.ledger.database import Database
from reelmill.ledger.frames import SampledMedia, sampled_media
from reelmill.report import Pictures, PictureSource
from reelmill.schema import ReelmillError

READERS = 2
FRAMES_AT_ONCE = 48
"""Read together: a video is fetched and opened once for its whole filmstrip."""
MOST_BYTES = 128_000_000
MOST_WAITING = 64
"""Media that wait to be read; beyond it visitors are told to come again."""
MISSING_KEPT_S = 20.0
"""So long a media that could not be read is not tried again."""

SourceOpener = Callable[[], AbstractContextManager[PictureSource]]


@dataclass(frozen=True, slots=True)
class Place:
    """A frame of a page: a job's segment, a media of it, and the frame's index there."""

    job_id: UUID
    segment: int
    media: int
    index: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame's JPEG file, or why there is none; width / height of what is missing."""

    jpeg: bytes | None
    missing: str = ""
    aspect: float = 16 / 9


@dataclass(frozen=True, slots=True)
class _Strip:
    """Frames that are read together: of one version of one media."""

    uri: str
    etag: str | None
    version_id: str | None
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    pictures: Pictures
    size_bytes: int
    good_until: float


class Shelf:
    """Reads frames by threads of its own, each with its own reading process. Used from one event loop."""

    def __init__(self, database: Database, opener: SourceOpener, *, most_bytes: int = MOST_BYTES) -> None:
        self._database = database
        self._opener = opener
        self._most_bytes = most_bytes
        self._kept: OrderedDict[_Strip, _Read] = OrderedDict()
        self._kept_bytes = 0
        self._under_way: dict[_Strip, asyncio.Future[Pictures]] = {}
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="frames")
        self._of_thread = threading.local()
        self._opened = ExitStack()

    async def picture(self, place: Place) -> Picture:
        """That frame, from the shelf or read now; never raises for what is wrong with the media.

        Raises:
            DatabaseUnavailableError, SchemaOutOfDateError.
        """
        sampled = await asyncio.to_thread(sampled_media, self._database, place.job_id, place.segment, place.media)
        if sampled is None or place.index not in sampled.indices:
            return Picture(None, "there is no such frame")
        pictures = await self._strip(sampled, place.index)
        facts = sampled.media.facts
        missing = pictures.missing or "this frame cannot be read any more"
        return Picture(pictures.jpegs.get(place.index), missing, facts.width / max(facts.height, 1))

    def close(self) -> None:
        """End the reading processes; whoever still waits gets no picture."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._opened.close()

    async def _strip(self, sampled: SampledMedia, index: int) -> Pictures:
        media = sampled.media
        start = sampled.indices.index(index) // FRAMES_AT_ONCE * FRAMES_AT_ONCE
        strip = _Strip(media.uri, media.etag, media.version_id, sampled.indices[start : start + FRAMES_AT_ONCE])
        kept = self._kept.get(strip)
        if kept and kept.good_until > time.monotonic():
            self._kept.move_to_end(strip)
            return kept.pictures
        if strip not in self._under_way:
            if len(self._under_way) >= MOST_WAITING:
                return Pictures({}, "too many media wait to be read: look again in a moment")
            self._under_way[strip] = asyncio.ensure_future(self._read(sampled, strip))
        # Shielded: a visitor who leaves takes the picture from nobody else.
        return await asyncio.shield(self._under_way[strip])

    async def _read(self, sampled: SampledMedia, strip: _Strip) -> Pictures:
        try:
            loop = asyncio.get_running_loop()
            pictures = await loop.run_in_executor(self._threads, self._read_now, sampled, strip.indices)
        except ReelmillError as error:
            pictures = Pictures({}, error.message)
        finally:
            del self._under_way[strip]
        self._keep(strip, pictures)
        return pictures

    def _keep(self, strip: _Strip, pictures: Pictures) -> None:
        size_bytes = sum(map(len, pictures.jpegs.values()))
        # Of a pinned version, what was read stays right; what was missing may come back.
        kept_s = MISSING_KEPT_S if pictures.missing or strip.etag is None else float("inf")
        self._forget(strip)
        self._kept[strip] = _Read(pictures, size_bytes, time.monotonic() + kept_s)
        self._kept_bytes += size_bytes
        while self._kept_bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, strip: _Strip) -> None:
        known = self._kept.pop(strip, None)
        self._kept_bytes -= known.size_bytes if known else 0

    def _read_now(self, sampled: SampledMedia, indices: Sequence[int]) -> Pictures:
        """In one of our threads: a reading process belongs to the thread that started it, and ends with it."""
        source: PictureSource | None = getattr(self._of_thread, "source", None)
        if source is None:
            source = self._of_thread.source = self._opened.enter_context(self._opener())
        return source.read(sampled.media, indices)
