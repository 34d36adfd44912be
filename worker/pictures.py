"""Frames of stored media as pictures for a page, read by the machine where this runs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pipelines.errors import PipelineError
from pipelines.media.jpegs import JpegReader, JpegRequest
from reelmill.job_results import StoredMedia
from reelmill.report.pictures import Pictures
from reelmill.schema import ReelmillError
from reelmill.settings import Settings
from worker.errors import WorkerError
from worker.storage import Storage
from worker.storage.objects import ObjectVersion

IMAGE_SIDE_PX = 960
FRAME_SIDE_PX = 480
"""Frames of a video stand beside each other: they can be smaller."""


class StoredPictures:
    """A PictureSource: only the version of an object that the worker read, through the same checks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._storage = Storage(settings)
        self._reader = JpegReader()

    def read(self, media: StoredMedia, indices: Sequence[int]) -> Pictures:
        """Those frames, or the reason why there are none; never raises for what is wrong with the media."""
        wanted = tuple(sorted(set(indices)))
        try:
            return Pictures(self._read(media, wanted))
        except (PipelineError, WorkerError) as error:
            return Pictures({}, error.message)
        except ReelmillError as error:
            return Pictures({}, str(error))

    def close(self) -> None:
        """End the reading process."""
        self._reader.close()

    def _read(self, media: StoredMedia, indices: tuple[int, ...]) -> dict[int, bytes]:
        directory = self._settings.download_dir or Path(tempfile.gettempdir())
        with self._storage.fetch(media.uri, _version(media), directory) as fetched:
            return self._reader.read(
                JpegRequest(
                    path=str(fetched.path),
                    name=media.uri,
                    indices=indices,
                    longest_side=IMAGE_SIDE_PX if media.facts.kind == "image" else FRAME_SIDE_PX,
                    max_pixels=self._settings.max_pixels,
                    timeout_s=self._settings.decode_timeout_s,
                    memory_bytes=self._settings.decode_memory_mb * 2**20,
                )
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _version(media: StoredMedia) -> ObjectVersion | None:
    if media.etag is None:
        return None
    return ObjectVersion(media.etag, media.version_id, media.facts.size_bytes)
