"""Damage that decoders paper over is an error, or counted; sound files of the same kinds are neither."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.synthesis import numbered_frame
from pipelines.errors import MediaError, TruncatedMediaError
from pipelines.media.probe import open_reader
from pipelines.media.types import DecodeLimits

SECTOR_BYTES = 512
TS_PACKET_BYTES = 188


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: int, *, interlace: int = 0) -> bytes:
    """A black PNG that has data for some of its rows only."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlace))
    data = chunk(b"IDAT", zlib.compress(bytes(rows * (1 + 3 * width))))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


def errors_in(data: bytes, path: Path) -> int:
    """Reads every frame; how many errors were counted."""
    path.write_bytes(data)
    with open_reader(str(path), "s3://b/damaged", DecodeLimits()) as reader:
        for _ in reader.read(range(reader.info.frame_count)):
            pass
        return reader.decode_errors


def jpeg(**options: object) -> bytes:
    noise = np.random.default_rng(1).integers(0, 200, (96, 160, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((640, 384)).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("width", "height"), [(160, 96), (1300, 900)])
def test_a_png_without_its_last_rows_is_an_error_and_not_black(width: int, height: int, tmp_path: Path) -> None:
    with pytest.raises(TruncatedMediaError, match="before its last row") as caught:
        errors_in(png(width, height, height - 10), tmp_path / "short.png")
    assert "s3://b/damaged" in str(caught.value)
    assert errors_in(png(width, height, height), tmp_path / "whole.png") == 0


def test_an_interlaced_png_without_its_last_pass_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TruncatedMediaError):
        errors_in(png(160, 96, 60, interlace=1), tmp_path / "short.png")


def test_an_animated_png_whose_second_frame_ends_early_is_an_error(tmp_path: Path) -> None:
    frames = [Image.fromarray(numbered_frame(number)) for number in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:], duration=100)
    assert errors_in(buffer.getvalue(), tmp_path / "whole.png") == 0
    data = buffer.getvalue()
    place = data.index(b"fdAT")
    length = struct.unpack(">I", data[place - 4 : place])[0]
    short = chunk(b"fdAT", data[place + 4 : place + 8] + zlib.compress(bytes(50)))
    with pytest.raises(TruncatedMediaError, match="picture 2"):
        errors_in(data[: place - 4] + short + data[place + 8 + length :], tmp_path / "short.png")


def test_a_png_with_a_wrong_checksum_is_an_error(tmp_path: Path) -> None:
    data = bytearray(png(160, 96, 96))
    data[data.index(b"IEND") - 5] ^= 1
    with pytest.raises(MediaError, match="IDAT chunk at byte 41 is damaged"):
        errors_in(bytes(data), tmp_path / "damaged.png")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_damage_of_a_jpeg_that_libjpeg_fills_up_is_counted(options: dict[str, object], tmp_path: Path) -> None:
    data = jpeg(**options)
    middle = len(data) // 2
    closed = data[:middle] + b"\xff\xd9"
    lost = data[:middle] + bytes(SECTOR_BYTES) + data[middle + SECTOR_BYTES :]
    if "progressive" not in options:  # whose scans already cover all of the picture, less and less coarsely
        assert errors_in(closed, tmp_path / "closed.jpg") == 1
    assert errors_in(lost, tmp_path / "lost.jpg") == 1
    assert errors_in(data, tmp_path / "whole.jpg") == 0


def test_a_plain_jpeg_with_profile_and_trailer_is_sound(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), "white").save(buffer, "JPEG", icc_profile=bytes(500) + b"\xff\x01" * 50)
    assert errors_in(buffer.getvalue() + bytes(4096), tmp_path / "plain.jpg") == 0


def test_a_container_that_loses_frames_counts_it(clip: Callable[[str], Path], tmp_path: Path) -> None:
    data = bytearray(clip("h264.mkv").read_bytes())
    middle = len(data) // 2
    # The cluster's own structure: the demuxer skips to the next one, and hands out fewer frames without an error.
    cluster = data.index(b"\x1f\x43\xb6\x75", middle) if b"\x1f\x43\xb6\x75" in data[middle:] else middle
    data[cluster : cluster + 64] = bytes(64)
    assert errors_in(bytes(data), tmp_path / "damaged.mkv") > 0


def test_lost_packets_of_a_transport_stream_are_counted(clip: Callable[[str], Path], tmp_path: Path) -> None:
    data = clip("h264.ts").read_bytes()
    start = len(data) // TS_PACKET_BYTES // 2 * TS_PACKET_BYTES
    shifted = data[:start] + data[start + 100 :]
    lost = data[:start] + data[start + 3 * TS_PACKET_BYTES :]
    overwritten = data[:start] + bytes(2 * TS_PACKET_BYTES) + data[start + 2 * TS_PACKET_BYTES :]
    for damaged in (shifted, lost, overwritten):
        assert errors_in(damaged, tmp_path / "damaged.ts") > 0
    assert errors_in(data, tmp_path / "whole.ts") == 0


def test_a_lost_sector_of_a_vp9_stream_is_counted(clip: Callable[[str], Path], tmp_path: Path) -> None:
    data = bytearray(clip("vp9.webm").read_bytes())
    # Inside the first keyframe, the largest packet: the container stays whole, and the decoder objects to nothing.
    place = data.index(b"\x1f\x43\xb6\x75") + 300
    data[place : place + 128] = bytes(128)
    assert errors_in(bytes(data), tmp_path / "lost.webm") > 0
