import io
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import EmptyMediaError, NotMediaError
from pipelines.media.sniff import sniff

TEXTS = {
    "m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n",
    "m3u8 after a byte order mark": b"\xef\xbb\xbf#EXTM3U\n/etc/passwd\n",
    "ffconcat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "mpd": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "smil": b"<smil><body><video src='file:///etc/passwd'/></body></smil>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run\n",
    "pdf": b"%PDF-1.7\n",
    "plain text": b"hello",
    "html": b"<html><video src=x></html>",
}


def sniffed(data: bytes) -> str:
    return sniff(io.BytesIO(data), "s3://bucket/clip.mp4").name


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_text_is_no_media_whatever_its_name(text: bytes) -> None:
    with pytest.raises(NotMediaError, match=r"clip\.mp4: is text"):
        sniffed(text)


def test_a_playlist_inside_a_large_file_is_still_text() -> None:
    with pytest.raises(NotMediaError):
        sniffed(TEXTS["m3u8"] + b"#\n" * 10_000)


def test_zero_bytes_are_named_as_such() -> None:
    with pytest.raises(EmptyMediaError, match=r"clip\.mp4: the file has zero bytes"):
        sniffed(b"")


def test_unknown_binary_is_refused() -> None:
    with pytest.raises(NotMediaError, match="unknown binary format"):
        sniffed(b"\x7fELF\x02\x01\x01" + b"\x80" * 100)


def test_an_heic_picture_is_refused_with_what_to_do() -> None:
    with pytest.raises(NotMediaError, match=r"HEIC.*Convert"):
        sniffed(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x00\x00\x01\x00ftypisom" + b"\x00" * 300, "mp4"),
        (b"\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00\x20\x00", "ico"),
        (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1", "avif"),
        (b"\x00\x00\x00\x1cftypavis\x00\x00\x00\x00avisavif", "mp4"),
        (b"GIF89a" + b"G" * 1000, "gif"),
        (b"\x00\x00\x00\x00G" + (b"\x00" * 191 + b"G") * 4, "mpegts"),
        (b"BM" + b"\x00" * 12 + b"\x28\x00\x00\x00", "bmp"),
        (b"P6\n1 1\n255\n\x00\x00\x00", "pnm"),
    ],
)
def test_formats_with_similar_starts_are_told_apart(data: bytes, name: str) -> None:
    assert sniffed(data) == name


@pytest.mark.parametrize(
    ("name", "found"),
    [("h264.mp4", "mp4"), ("h264.mkv", "matroska"), ("h264.ts", "mpegts"), ("h264.flv", "flv"), ("mpeg4.avi", "avi")],
)
def test_videos_are_known_by_their_bytes(clip: Callable[[str], Path], name: str, found: str) -> None:
    assert sniffed(clip(name).read_bytes()) == found


def test_the_file_is_left_at_its_start(golden: Path) -> None:
    with (golden / "inputs" / "img9_tiny.png").open("rb") as file:
        sniff(file, "tiny")
        assert file.tell() == 0
