"""Large plain PNGs: FFmpeg's pixels are Pillow's, and everything that is not plain, or broken, is Pillow's to read."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pipelines.errors import MediaError, TruncatedMediaError
from pipelines.media.probe import open_reader
from pipelines.media.readers.png_pixels import is_plain_png, png_pixels
from pipelines.media.types import DecodeLimits

WIDTH, HEIGHT = 1250, 810


def picture(mode: str = "RGB") -> Image.Image:
    noise = Image.effect_noise((WIDTH // 5, HEIGHT // 5), 80).resize((WIDTH, HEIGHT))
    bands = [noise.rotate(90 * turn).resize((WIDTH, HEIGHT)) for turn in range(len(mode))]
    return Image.merge(mode, bands) if len(bands) > 1 else noise.convert(mode)


def saved(image: Image.Image, **options: object) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, **options)
    buffer.seek(0)
    return buffer


def as_pillow_reads(file: io.BytesIO) -> np.ndarray:
    with Image.open(io.BytesIO(file.getvalue())) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_pixels_equal_pillows_bit_for_bit(mode: str, level: int) -> None:
    file = io.BytesIO()
    picture(mode).save(file, "PNG", compress_level=level)
    file.seek(11)
    assert is_plain_png(file)
    np.testing.assert_array_equal(png_pixels(file), as_pillow_reads(file))
    assert file.tell() == 11


@pytest.mark.parametrize(
    ("mode", "options"),
    [("L", {}), ("P", {}), ("1", {}), ("LA", {}), ("I;16", {}), ("RGB", {"transparency": (1, 2, 3)})],
)
def test_other_kinds_are_left_to_pillow(mode: str, options: dict[str, object]) -> None:
    image = picture("LA") if mode == "LA" else picture("RGB" if mode == "RGB" else "L").convert(mode)
    assert not is_plain_png(saved(image, **options))


def test_small_pictures_are_left_to_pillow() -> None:
    assert not is_plain_png(saved(picture().resize((999, 999))))


def test_an_animation_is_left_to_pillow() -> None:
    assert not is_plain_png(saved(picture(), save_all=True, append_images=[picture().rotate(3)]))


def orientation_as_text(keyword: str, text: str) -> dict[str, object]:
    info = PngImagePlugin.PngInfo()
    info.add_text(keyword, text, zip=keyword.startswith("Raw"))
    return {"pnginfo": info}


XMP = '<x:xmpmeta xmlns:tiff="http://ns.adobe.com/tiff/1.0/"><a tiff:Orientation="6"/></x:xmpmeta>'


def turned(kind: str) -> io.BytesIO:
    exif = Image.Exif()
    exif[0x0112] = 6
    if kind == "eXIf":
        return saved(picture(), exif=exif)
    if kind == "XMP":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP)
        return saved(picture(), pnginfo=info)
    data = saved(picture()).getvalue()
    body = exif.tobytes()[6:]
    chunk = struct.pack(">I4s", len(body), b"eXIf") + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    return io.BytesIO(data[:-12] + chunk + data[-12:])


@pytest.mark.parametrize("kind", ["eXIf", "XMP", "eXIf behind the data"])
def test_a_turned_picture_comes_upright_wherever_its_orientation_stands(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "turned.png"
    path.write_bytes(turned(kind).getvalue())
    with open_reader(str(path), "turned", DecodeLimits()) as reader:
        (frame,) = reader.read([0])
        assert (reader.info.width, reader.info.height) == (HEIGHT, WIDTH)
        assert np.asarray(frame.picture).shape == (WIDTH, HEIGHT, 3)


def test_a_plain_picture_with_a_comment_is_read_as_its_pixels_are(tmp_path: Path) -> None:
    file = saved(picture(), **orientation_as_text("Comment", "made by a test"))
    path = tmp_path / "plain.png"
    path.write_bytes(file.getvalue())
    assert is_plain_png(file)
    with open_reader(str(path), "plain", DecodeLimits()) as reader:
        (frame,) = reader.read([0])
    np.testing.assert_array_equal(np.asarray(frame.picture), as_pillow_reads(file))


@pytest.mark.parametrize("kind", ["cut", "flipped", "header cut"])
def test_a_broken_picture_is_the_typed_error_that_pillow_finds(kind: str, tmp_path: Path) -> None:
    data = bytearray(saved(picture()).getvalue())
    if kind == "flipped":
        data[len(data) // 2] ^= 255
    else:
        del data[20 if kind == "header cut" else len(data) // 2 :]
    path = tmp_path / "broken.png"
    path.write_bytes(data)
    kinds = TruncatedMediaError if kind == "cut" else MediaError
    with pytest.raises(kinds, match="broken"), open_reader(str(path), "broken", DecodeLimits()) as reader:
        list(reader.read([0]))
