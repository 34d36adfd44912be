import json

import pytest
from PIL import Image

from media.byte_ranges import MemoryRanges
from pipelines.errors import MediaError, ModelError, TruncatedMediaError
from pipelines.media import wire
from pipelines.media.ranges import ByteRanges
from pipelines.media.tiling import tile_picture
from pipelines.media.types import (
    DecodedMedia,
    DecodedSegment,
    DecodeLimits,
    DecodeRequest,
    Frame,
    MediaInfo,
    TilingSpec,
)
from reelmill.schema.tasks import Sampling


def no_ranges(size_bytes: int) -> ByteRanges:
    return MemoryRanges(bytes(size_bytes))


def test_a_request_for_a_file_elsewhere_arrives_with_its_size() -> None:
    request = DecodeRequest("", "s3://b/k", Sampling(), TilingSpec(448, 12), ranges=MemoryRanges(bytes(10)))
    received = wire.unpack_request(wire.pack_request(request), no_ranges)
    assert received.ranges is not None
    assert received.ranges.size_bytes == 10


def test_a_request_arrives_as_it_was_sent() -> None:
    request = DecodeRequest(
        "/tmp/odd \udcff name",
        "s3://bucket/ключ",
        Sampling(num_segments=3, bound=(1.5, 2.5), window_s=0.5, resize="fast"),
        TilingSpec(448, 12, 2, False, "fast"),
        DecodeLimits(1, 2, 3.5, 4),
    )
    assert wire.unpack_request(wire.pack_request(request), no_ranges) == request


def test_a_decoded_file_arrives_as_it_was_sent() -> None:
    info = MediaInfo("video", "mp4", "h264", 4, 2, 48, 2.0, 24.0, 90)
    segments = (
        DecodedSegment(0, 0.0, 1.0, (Frame(0, 0.0, 1), Frame(7, 0.29, 1))),
        DecodedSegment(1, 1.0, None, (Frame(9, None, 1),)),
    )
    tiles = tile_picture(Image.new("RGB", (8, 8)), TilingSpec(8, 1), 1).repeat(3, axis=0)
    media = DecodedMedia(info, segments, tiles, decode_errors=5)
    reply = wire.unpack_reply(wire.pack_media(media), "x")
    assert (reply.tile_count, reply.tile_size) == (3, 8)
    assert reply.with_tiles(tiles) == media


def test_an_error_keeps_its_type_and_words_and_names_the_file() -> None:
    packed = wire.pack_error(TruncatedMediaError("ends early", subject="/tmp/xyz", next_step="Try again"))
    with pytest.raises(TruncatedMediaError, match=r"^s3://b/k: ends early\. Try again$"):
        wire.unpack_reply(packed, "s3://b/k")


@pytest.mark.parametrize("name", ["ModelError", "annotations", "Exception", "nothing"])
def test_only_errors_of_media_come_out_of_a_decoder(name: str) -> None:
    body = json.dumps({"error": {"class": name, "message": "m", "next_step": ""}}).encode()
    with pytest.raises(MediaError) as raised:
        wire.unpack_reply(body, "x")
    assert not isinstance(raised.value, ModelError)


def test_tiles_that_do_not_add_up_are_no_answer() -> None:
    info = MediaInfo("image", "png", None, 4, 2, 1, None, None)
    tiles = tile_picture(Image.new("RGB", (8, 8)), TilingSpec(8, 1), 1)
    media = DecodedMedia(info, (DecodedSegment(0, None, None, (Frame(0, None, 2),)),), tiles)
    with pytest.raises(ValueError, match="add up"):
        wire.unpack_reply(wire.pack_media(media), "x")
