from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from reelmill.job_results import StoredMedia
from reelmill.schema import MediaFacts
from reelmill.settings import Settings
from tests.services import S3Server
from worker.pictures import StoredPictures
from worker.storage import Storage


def png(colour: str, size: tuple[int, int] = (64, 32)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def stored(uri: str, settings: Settings, *, pinned: bool = True) -> StoredMedia:
    version = Storage(settings).stat(uri) if pinned else None
    facts = MediaFacts(0, "image", "png", 64, 32, 100, "sha")
    return StoredMedia(uri, version.etag if version else None, version.version_id if version else None, facts)


def colour(jpeg: bytes) -> tuple[int, ...]:
    pixel = Image.open(io.BytesIO(jpeg)).getpixel((3, 3))
    assert isinstance(pixel, tuple)
    return tuple(round(channel / 255) for channel in pixel)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(file_roots=(tmp_path,))


@pytest.fixture
def source(settings: Settings) -> Iterator[StoredPictures]:
    with StoredPictures(settings) as made:
        yield made


def test_a_file_below_the_roots_is_read(source: StoredPictures, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(png("red"))

    pictures = source.read(stored((tmp_path / "red.png").as_uri(), settings), [0])

    assert (list(pictures.jpegs), colour(pictures.jpegs[0]), pictures.missing) == ([0], (1, 0, 0), "")


def test_an_object_is_read_from_s3_in_the_version_that_was_worked_on(s3_server: S3Server, tmp_path: Path) -> None:
    in_force = Settings(s3_endpoint_url=s3_server.endpoint_url, download_dir=tmp_path)
    s3_server.client.put_object(Bucket=s3_server.bucket, Key="page/blue.png", Body=png("blue"))
    media = stored(f"s3://{s3_server.bucket}/page/blue.png", in_force)

    with StoredPictures(in_force) as source:
        before = source.read(media, [0])
        s3_server.client.put_object(Bucket=s3_server.bucket, Key="page/blue.png", Body=png("red"))
        after = source.read(media, [0])

    assert colour(before.jpegs[0]) == (0, 0, 1)
    assert (after.jpegs, bool(after.missing)) == ({}, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.png", "there is no such file"),
        ("../outside.png", "lies outside the file roots"),
        ("text.png", "is text"),
        ("replaced.png", "was replaced"),
    ],
)
def test_why_a_file_cannot_be_shown_is_told_and_nothing_raised(
    source: StoredPictures, settings: Settings, tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "text.png").write_text("hello there")
    (tmp_path / "replaced.png").write_bytes(png("red"))
    media = stored(f"file://{tmp_path}/{name}", settings, pinned=name == "replaced.png")
    (tmp_path / "replaced.png").write_bytes(png("blue", (80, 80)))

    pictures = source.read(media, [0])

    assert pictures.jpegs == {}
    assert reason in pictures.missing
