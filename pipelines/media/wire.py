"""What parent and decoder process say to each other: a length, then JSON. Tiles go beside it, as a memory file.

JSON and not pickle, because the answer comes from a process that has eaten hostile bytes.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any

from pipelines import errors
from pipelines.errors import MediaError
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
        }
    ).encode()


def unpack_request(body: bytes) -> DecodeRequest:
    """The request in a message."""
    data = json.loads(body)
    return DecodeRequest(
        path=data["path"],
        name=data["name"],
        sampling=Sampling.model_validate(data["sampling"]),
        tiling=TilingSpec(**data["tiling"]),
        limits=DecodeLimits(**data["limits"]),
        video_library=data["video_library"],
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


def pack_error(error: MediaError) -> bytes:
    """A typed error; the parent knows which file it is about."""
    fields = {"class": type(error).__name__, "message": error.message, "next_step": error.next_step}
    return json.dumps({"error": fields}).encode()


def unpack_reply(body: bytes, name: str) -> Reply:
    """What the decoder process answered about the file `name`.

    Raises:
        MediaError: the one that the decoder process raised.
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


def _error(fields: dict[str, Any], name: str) -> MediaError:
    kind = getattr(errors, str(fields["class"]), MediaError)
    if not (isinstance(kind, type) and issubclass(kind, MediaError)):
        kind = MediaError
    return kind(str(fields["message"]), subject=name, next_step=str(fields["next_step"]))
