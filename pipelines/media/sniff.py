"""What a file is, by its first bytes and never by its name.

Only binary formats with a signature of their own are on the list. Playlists, manifests and other text (m3u8, ffconcat,
mpd, sdp, svg, …) can make a reader open other files or addresses: they are refused here, before any reader sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

from pipelines.errors import EmptyMediaError, NotMediaError

HEADER_BYTES = 4096
TS_PACKET_BYTES = 188
M2TS_PACKET_BYTES = 192
TS_SYNC = 0x47

Family = Literal["image", "animation", "video"]


@dataclass(frozen=True, slots=True)
class MediaFormat:
    """A whitelisted format.

    Attributes:
        name: what we call it (`MediaInfo.format`).
        family: image, animation (an image format that may hold several frames) or video.
        reader_format: the only Pillow plugin, or the only FFmpeg demuxer, that may open it.
    """

    name: str
    family: Family
    reader_format: str


_IMAGE_SIGNATURES: tuple[tuple[bytes, MediaFormat], ...] = (
    (b"\xff\xd8\xff", MediaFormat("jpeg", "image", "JPEG")),
    (b"\x89PNG\r\n\x1a\n", MediaFormat("png", "animation", "PNG")),
    (b"GIF87a", MediaFormat("gif", "animation", "GIF")),
    (b"GIF89a", MediaFormat("gif", "animation", "GIF")),
    (b"II*\x00", MediaFormat("tiff", "image", "TIFF")),
    (b"MM\x00*", MediaFormat("tiff", "image", "TIFF")),
    (b"II+\x00", MediaFormat("tiff", "image", "TIFF")),
    (b"MM\x00+", MediaFormat("tiff", "image", "TIFF")),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", MediaFormat("jpeg2000", "image", "JPEG2000")),
    (b"\xff\x4f\xff\x51", MediaFormat("jpeg2000", "image", "JPEG2000")),
    (b"8BPS\x00\x01", MediaFormat("psd", "image", "PSD")),
    (b"DDS \x7c\x00\x00\x00", MediaFormat("dds", "image", "DDS")),
    (b"qoif", MediaFormat("qoi", "image", "QOI")),
    (b"icns", MediaFormat("icns", "image", "ICNS")),
    (b"\x00\x00\x01\x00", MediaFormat("ico", "image", "ICO")),
    (b"\x01\xda\x00", MediaFormat("sgi", "image", "SGI")),
    (b"\x01\xda\x01", MediaFormat("sgi", "image", "SGI")),
)
_WEBP = MediaFormat("webp", "animation", "WEBP")
_AVIF = MediaFormat("avif", "image", "AVIF")
_BMP = MediaFormat("bmp", "image", "BMP")
_PNM = MediaFormat("pnm", "image", "PPM")

_MOV = MediaFormat("mp4", "video", "mov")
_MATROSKA = MediaFormat("matroska", "video", "matroska")
_WEBM = MediaFormat("webm", "video", "matroska")
_AVI = MediaFormat("avi", "video", "avi")
_FLV = MediaFormat("flv", "video", "flv")
_ASF = MediaFormat("asf", "video", "asf")
_OGG = MediaFormat("ogg", "video", "ogg")
_TS = MediaFormat("mpegts", "video", "mpegts")
_PS = MediaFormat("mpeg", "video", "mpeg")

_ASF_GUID = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_BMP_HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_MOV_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


def sniff(file: BinaryIO, name: str) -> MediaFormat:
    """The whitelisted format of a file that was just opened, and is left at its start.

    Raises:
        EmptyMediaError: zero bytes.
        NotMediaError: nothing on the whitelist starts like this.
    """
    header = file.read(HEADER_BYTES)
    if not header:
        raise EmptyMediaError("the file has zero bytes", subject=name)
    # ISO media first: a first box of 256 bytes starts like an icon. Transport streams last: "G" is their sync byte.
    found = _iso_media(header, name) or _riff(header) or _image(header) or _video(header)
    if found is None:
        raise NotMediaError(f"is {_describe(header)}, not an image or video", subject=name)
    file.seek(0)
    return found


def _image(header: bytes) -> MediaFormat | None:
    for signature, media_format in _IMAGE_SIGNATURES:
        if header.startswith(signature):
            return media_format
    if header[:2] == b"BM" and int.from_bytes(header[14:18], "little") in _BMP_HEADER_SIZES:
        return _BMP
    if header[:1] == b"P" and header[1:2] in b"123456" and header[2:3] in (b" ", b"\t", b"\r", b"\n"):
        return _PNM
    return None


def _riff(header: bytes) -> MediaFormat | None:
    if header[:4] != b"RIFF":
        return None
    return {b"WEBP": _WEBP, b"AVI ": _AVI}.get(header[8:12])


def _iso_media(header: bytes, name: str) -> MediaFormat | None:
    if header[4:8] not in _MOV_FIRST_BOXES:
        return None
    brand = header[8:12] if header[4:8] == b"ftyp" else b""
    if brand in _HEIF_BRANDS and b"avif" not in header[8:64]:
        raise NotMediaError(
            "is an HEIC picture, which is not read", subject=name, next_step="Convert it to JPEG or AVIF"
        )
    return _AVIF if brand in (b"avif", *_HEIF_BRANDS) else _MOV


def _video(header: bytes) -> MediaFormat | None:
    if header.startswith(b"\x1aE\xdf\xa3"):
        return _WEBM if b"webm" in header[:64] else _MATROSKA
    if header.startswith(b"FLV\x01"):
        return _FLV
    if header.startswith(_ASF_GUID):
        return _ASF
    if header.startswith(b"OggS\x00"):
        return _OGG
    if header.startswith(b"\x00\x00\x01\xba"):
        return _PS
    return _TS if _is_transport_stream(header) else None


def _is_transport_stream(header: bytes) -> bool:
    """Three sync bytes a packet apart; M2TS puts four bytes of time before each packet."""
    return any(
        len(header) > start + 2 * size and all(header[start + k * size] == TS_SYNC for k in range(3))
        for start, size in ((0, TS_PACKET_BYTES), (4, M2TS_PACKET_BYTES))
    )


def _describe(header: bytes) -> str:
    try:
        start = header[:512].decode("utf-8").strip()
    except UnicodeDecodeError:
        return "of an unknown binary format"
    return "text (a playlist or manifest?)" if start.isprintable() or "\n" in start else "of an unknown format"
