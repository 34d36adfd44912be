"""Pictures and animations: odd but sound ones, bombs, and broken ones."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from benchmarks.hostile.cases import Case, Scene
from benchmarks.hostile.pictures import HEIGHT, WIDTH, numbered, plain

Bytes = Callable[[], bytes]
ORIENTATION_TAG = 0x0112
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """The file of a picture."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One of a PNG, with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, raw: bytes, *, bits: int = 8, color: int = 2, ahead: bytes = b"") -> bytes:
    """A PNG of what its header says, whatever data it holds."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    return PNG_SIGNATURE + header + ahead + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def _file(data: Bytes, path: Path, _: Scene) -> None:
    path.write_bytes(data())


def _case(name: str, data: Bytes, expect: Any, truth: Any = "colour", *, quick: bool = True) -> Case:
    return Case(name, partial(_file, data), expect, truth, quick)


def _rows(count: int, width: int = WIDTH) -> bytes:
    pixels = np.asarray(plain(width, count))
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def _orientated(number: int, image_format: str) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = number
    return saved(plain(), image_format, exif=exif)


def _palette_with_transparency() -> bytes:
    image = plain().quantize(8)
    return saved(image, "PNG", transparency=bytes([0] * 4 + [128] * 4))


def _sixteen_bits() -> bytes:
    pixels = np.asarray(plain()).astype(">u2") * 257
    return png(WIDTH, HEIGHT, b"".join(b"\0" + row.tobytes() for row in pixels), bits=16)


def _grey_sixteen_bits() -> bytes:
    return saved(Image.fromarray(np.full((HEIGHT, WIDTH), 128 * 257, np.uint16)), "PNG")


def _animation(image_format: str, frames: int = 8, **options: Any) -> bytes:
    pictures = [Image.fromarray(numbered(number)) for number in range(frames)]
    return saved(pictures[0], image_format, save_all=True, append_images=pictures[1:], duration=100, loop=0, **options)


def _endless_gif(frames: int) -> bytes:
    """Header and screen, and one tiny frame again and again, never an end."""
    whole = saved(plain(), "GIF")
    start = whole.index(b",", 13 + (3 << ((whole[10] & 7) + 1)))
    return whole[:start] + (b"!\xf9\x04\x00\x00\x00\x00\x00" + whole[start:-1]) * frames


def _empty_frames_gif() -> bytes:
    """60,000 frames of 6,000 pixels square that each draw one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", 6000, 6000, 0x80, 0, 0) + bytes((*(40, 200, 90), 0, 0, 0))
    frame = b"!\xf9\x04\x00\x01\x00\x00\x00," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02D\x01\x00"
    return head + frame * 60_000 + b";"


def _webp_header(width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    frame = saved(plain(16, 16), "WEBP", lossless=True)[12:]
    place = bytes(6) + struct.pack("<I", 15)[:3] * 2 + b"\x64\0\0\0"
    body += b"ANMF" + struct.pack("<I", len(place) + len(frame)) + place + frame
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _tiff_bomb(side: int) -> bytes:
    """One deflated strip of zeros as large as the header says."""
    strip = zlib.compress(bytes(side * side // 8), 9)
    entries = [(256, 4, side), (257, 4, side), (258, 3, 1), (259, 3, 8), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    entries += [(278, 4, side), (279, 4, len(strip))]
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + table + bytes(4)


def _text_bomb() -> bytes:
    """A PNG whose compressed comment inflates to a gigabyte."""
    comment = b"Comment\0\0" + zlib.compress(bytes(2**30), 9)
    return png(WIDTH, HEIGHT, _rows(HEIGHT), ahead=chunk(b"zTXt", comment))


def _profile_bomb() -> bytes:
    profile = b"ICC Profile\0\0" + zlib.compress(bytes(2**29), 9)
    return png(WIDTH, HEIGHT, _rows(HEIGHT), ahead=chunk(b"iCCP", profile))


def _zip_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("picture.png", bytes(2**27))
    return buffer.getvalue()


def _wrong_checksum() -> bytes:
    data = bytearray(png(WIDTH, HEIGHT, _rows(HEIGHT)))
    data[data.index(b"IDAT") - 4 + 8 + 20] ^= 1
    return bytes(data)


def _interlaced_short() -> bytes:
    data = png(WIDTH, HEIGHT, _rows(30))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 1)
    return data[:8] + chunk(b"IHDR", header) + data[33:]


def _jpeg() -> bytes:
    noise = np.random.default_rng(3).integers(0, 8, (HEIGHT * 4, WIDTH * 4, 3), dtype=np.uint8)
    return saved(Image.fromarray(np.asarray(plain(WIDTH * 4, HEIGHT * 4)) + noise), "JPEG", quality=92)


def _jpeg_cut_and_closed() -> bytes:
    data = _jpeg()
    return data[: len(data) // 2] + b"\xff\xd9"


def _jpeg_without_a_sector() -> bytes:
    data = bytearray(_jpeg())
    data[len(data) // 2 : len(data) // 2 + 512] = bytes(512)
    return bytes(data)


def _jpeg_taller_than_its_data() -> bytes:
    data = bytearray(_jpeg())
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 7] = struct.pack(">H", HEIGHT * 8)
    return bytes(data)


def _cut(data: Bytes, share: float) -> Bytes:
    return lambda: (whole := data())[: int(len(whole) * share)]


def _with_profile(profile: bytes) -> Bytes:
    return lambda: saved(plain(), "JPEG", quality=95, icc_profile=profile)


_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _sound() -> list[Case]:
    formats: dict[str, tuple[str, dict[str, Any]]] = {
        "plain.jpg": ("JPEG", {"quality": 95}),
        "progressive.jpg": ("JPEG", {"quality": 95, "progressive": True}),
        "restart_markers.jpg": ("JPEG", {"quality": 95, "restart_marker_rows": 1}),
        "plain.png": ("PNG", {}),
        "lossy.webp": ("WEBP", {"quality": 95}),
        "lossless.webp": ("WEBP", {"lossless": True}),
        "plain.gif": ("GIF", {}),
        "plain.bmp": ("BMP", {}),
        "plain.tiff": ("TIFF", {}),
        "lzw.tiff": ("TIFF", {"compression": "tiff_lzw"}),
        "plain.jp2": ("JPEG2000", {}),
        "plain.avif": ("AVIF", {"quality": 95}),
        "plain.ppm": ("PPM", {}),
        "plain.qoi": ("QOI", {}),
    }
    return [
        *(_case(name, partial(saved, plain(), kind, **options), "frames") for name, (kind, options) in formats.items()),
        *(_case(f"orientation_{number}.jpg", partial(_orientated, number, "JPEG"), "frames") for number in (3, 6, 7)),
        _case("orientation_8.png", partial(_orientated, 8, "PNG"), "frames"),
        _case("orientation_99.jpg", partial(_orientated, 99, "JPEG"), "frames"),
        _case("cmyk.jpg", lambda: saved(plain().convert("CMYK"), "JPEG", quality=95), "frames"),
        _case("cmyk.tiff", lambda: saved(plain().convert("CMYK"), "TIFF"), "frames"),
        _case("16_bits.png", _sixteen_bits, "frames"),
        _case("16_bits_grey.png", _grey_sixteen_bits, "frames", "any"),
        _case("palette_with_transparency.png", _palette_with_transparency, "frames"),
        _case("profile.jpg", _with_profile(_SRGB), "frames"),
        _case("bad_profile.jpg", _with_profile(_SRGB[:100] + b"\xff" * 400), "frames"),
        _case("no_profile_at_all.jpg", _with_profile(b"nothing of the kind"), "frames"),
        _case("animated.gif", partial(_animation, "GIF"), "frames", "numbers"),
        _case("animated.webp", partial(_animation, "WEBP", lossless=True), "frames", "numbers"),
        _case("animated.png", partial(_animation, "PNG"), "frames", "numbers"),
        _case("named_gif.jpg", partial(saved, plain(), "GIF"), "frames"),
        _case("one_pixel.png", lambda: saved(plain(1, 1), "PNG"), "frames"),
        _case("one_pixel_high.png", lambda: saved(plain(4000, 1), "PNG"), "frames"),
    ]


def _bombs() -> list[Case]:
    return [
        _case("claims_30000.png", lambda: png(30_000, 30_000, b"\0"), "error"),
        _case("claims_2_31.png", lambda: png(2**31 - 1, 2**31 - 1, b"\0"), "error"),
        _case("bomb_9000.png", lambda: png(9000, 9000, bytes(9000 * 1126), bits=1, color=0), "either", "any",
              quick=False),
        _case("bomb_20000.tiff", partial(_tiff_bomb, 20_000), "error", quick=False),
        _case("bomb_16000.webp", partial(_webp_header, 16_000, 16_000), "error"),
        _case("bomb_comment.png", _text_bomb, "either", quick=False),
        _case("bomb_profile.png", _profile_bomb, "either", quick=False),
        _case("bomb.zip.png", _zip_bomb, "error", quick=False),
        _case("endless.gif", partial(_endless_gif, 20_000), "either", "any", quick=False),
        _case("many_huge_frames.gif", _empty_frames_gif, "either", "any", quick=False),
    ]  # fmt: skip


def _broken() -> list[Case]:
    plain_jpeg, plain_gif = partial(saved, plain(), "JPEG"), partial(_animation, "GIF")
    return [
        _case("short_data.png", lambda: png(WIDTH, HEIGHT, _rows(50)), "error"),
        _case("short_data_large.png", lambda: png(1300, 900, _rows(400, 1300)), "error"),
        _case("short_data_interlaced.png", _interlaced_short, "error"),
        _case("wrong_checksum.png", _wrong_checksum, "error"),
        _case("cut.png", _cut(lambda: png(WIDTH, HEIGHT, _rows(HEIGHT)), 0.6), "error"),
        _case("cut.jpg", _cut(plain_jpeg, 0.8), "error"),
        _case("cut_and_closed.jpg", _jpeg_cut_and_closed, "either"),
        _case("lost_sector.jpg", _jpeg_without_a_sector, "either"),
        _case("taller_than_its_data.jpg", _jpeg_taller_than_its_data, "either"),
        _case("cut.gif", _cut(plain_gif, 0.5), "error"),
        _case("cut.webp", _cut(partial(_animation, "WEBP"), 0.5), "error"),
        _case("cut_animation.png", _cut(partial(_animation, "PNG"), 0.5), "error"),
        _case("cut.tiff", _cut(partial(saved, plain(), "TIFF"), 0.5), "error"),
        _case("cut.avif", _cut(partial(saved, plain(), "AVIF"), 0.5), "error"),
        _case("header_only.gif", lambda: b"GIF89a", "error"),
        _case("signature_only.png", lambda: PNG_SIGNATURE, "error"),
        _case("no_frame.gif", lambda: saved(plain(), "GIF")[:13] + b";", "error"),
    ]


def cases() -> list[Case]:
    """All of them."""
    return [*_sound(), *_bombs(), *_broken()]
