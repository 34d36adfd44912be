"""What parent and decoder process say to each other: a length, then JSON. Tiles go beside it, as a memory file.

While it decodes a file that is read by ranges, the decoder asks back: a tag and three numbers, answered with bytes.

JSON and not pickle, because the answer comes from a process that has eaten hostile bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pipelines import errors
from pipelines.errors import MediaError, PipelineError, ScenesUnavailableError, WholeFileNeededError
from pipelines.media.ranges import MAX_READ_BYTES, ByteRanges
from pipelines.media.types import (
    DecodedMedia,
    DecodedSegment,
    DecodeLimits,
    DecodeRequest,
    Frame,
    MediaInfo,
    Tiles,
    TilingSpec,
)
from reelmill.schema.tasks import Sampling

LENGTH = struct.Struct(">I")
MAX_MESSAGE_BYTES = 256 * 2**20
READY = b"ready"
RANGE = struct.Struct(">cQIQ")
RANGE_TAG = b"R"
TELLABLE = (MediaError, WholeFileNeededError, ScenesUnavailableError)
"""Errors that a decoder process may answer with."""
NO_BYTES = b""
"""The answer where the bytes do not come; the parent knows why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A decoded file, its tiles still to be mapped: `tile_count` of `tile_size` pixels square."""

    info: MediaInfo
    segments: tuple[DecodedSegment, ...]
    decode_errors: int
    tile_count: int
    tile_size: int

    def with_tiles(self, tiles: Tiles) -> DecodedMedia:
        return DecodedMedia(self.info, self.segments, tiles, self.decode_errors)


@dataclass(frozen=True, slots=True)
class RangeQuestion:
    """Which bytes the decoder wants next, and how far it expects to read on."""

    start: int
    size: int
    until: int

    def within(self, size_bytes: int) -> bool:
        """Whether it stays inside a file of so many bytes, and small."""
        end = self.start + self.size
        return 0 < self.size <= MAX_READ_BYTES and end <= self.until <= size_bytes


def pack_range(question: RangeQuestion) -> bytes:
    """The question as it goes to the parent."""
    return RANGE.pack(RANGE_TAG, question.start, question.size, question.until)


def unpack_range(body: bytes) -> RangeQuestion | None:
    """The question in a message; None when it is something else."""
    if len(body) != RANGE.size or not body.startswith(RANGE_TAG):
        return None
    _, start, size, until = RANGE.unpack(body)
    return RangeQuestion(start, size, until)


def framed(body: bytes) -> bytes:
    """A message with its length ahead."""
    return LENGTH.pack(len(body)) + body


def pack_request(request: DecodeRequest) -> bytes:
    """A request as it goes to the decoder process."""
    return json.dumps(
        {
            "path": request.path,
            "name": request.name,
            "sampling": request.sampling.model_dump(),
            "tiling": asdict(request.tiling),
            "limits": asdict(request.limits),
            "video_library": request.video_library,
            "done": sorted(request.done),
            "ranged_bytes": request.ranges.size_bytes if request.ranges else None,
        }
    ).encode()


def unpack_request(body: bytes, ranges_of: Callable[[int], ByteRanges]) -> DecodeRequest:
    """The request in a message; `ranges_of` a size in bytes gives the access to a file that is not here."""
    data = json.loads(body)
    size_bytes = data["ranged_bytes"]
    return DecodeRequest(
        path=data["path"],
        name=data["name"],
        sampling=Sampling.model_validate(data["sampling"]),
        tiling=TilingSpec(**data["tiling"]),
        limits=DecodeLimits(**data["limits"]),
        video_library=data["video_library"],
        ranges=None if size_bytes is None else ranges_of(size_bytes),
        done=frozenset(data["done"]),
    )


def pack_media(media: DecodedMedia) -> bytes:
    """All of a decoded file but its tiles."""
    segments = [
        [s.ordinal, s.start_s, s.end_s, [[f.index, f.timestamp_s, f.tile_count] for f in s.frames]]
        for s in media.segments
    ]
    return json.dumps(
        {
            "info": asdict(media.info),
            "segments": segments,
            "decode_errors": media.decode_errors,
            "tile_count": media.tiles.shape[0],
            "tile_size": media.tiles.shape[1],
        }
    ).encode()


def pack_error(error: MediaError | WholeFileNeededError | ScenesUnavailableError) -> bytes:
    """A typed error; the parent knows which file it is about."""
    fields = {"class": type(error).__name__, "message": error.message, "next_step": error.next_step}
    return json.dumps({"error": fields}).encode()


def unpack_reply(body: bytes, name: str) -> Reply:
    """What the decoder process answered about the file `name`.

    Raises:
        MediaError, WholeFileNeededError, ScenesUnavailableError: the one that the decoder process raised.
        ValueError, TypeError, KeyError: not an answer.
    """
    data = json.loads(body)
    if "error" in data:
        raise _error(data["error"], name)
    segments = tuple(
        DecodedSegment(ordinal, start_s, end_s, tuple(Frame(*frame) for frame in frames))
        for ordinal, start_s, end_s, frames in data["segments"]
    )
    reply = Reply(
        MediaInfo(**data["info"]), segments, int(data["decode_errors"]), int(data["tile_count"]), int(data["tile_size"])
    )
    if reply.tile_count != sum(frame.tile_count for segment in segments for frame in segment.frames):
        raise ValueError("the tiles do not add up")
    return reply


def _error(fields: dict[str, Any], name: str) -> PipelineError:
    kind = getattr(errors, str(fields["class"]), MediaError)
    if not (isinstance(kind, type) and issubclass(kind, TELLABLE)):
        kind = MediaError
    return kind(str(fields["message"]), subject=name, next_step=str(fields["next_step"]))
