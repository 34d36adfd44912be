"""`.draw()` reads the very version that was worked, from files and from S3, images and videos."""

from __future__ import annotations

import builtins
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reelmill.errors import MissingExtraError, PictureError
from reelmill.frame import Frame
from reelmill.job_results import StoredMedia
from reelmill.pictures import read_picture
from tests.services import S3Server
from tests.unit.door.samples import CAT, job_results, stored
from tests.unit.media.synthesis import Clip, number_of, write_clip

BLUE = (10, 20, 200)


def on_disk(path: Path, **facts: object) -> StoredMedia:
    return stored(path.as_uri(), **{"size_bytes": path.stat().st_size, **facts})


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """640 × 480 once its EXIF is honoured."""
    path = tmp_path / "ä photo%.png"
    image = Image.new("RGB", (480, 640), BLUE)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, exif=exif)
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", Clip())


def test_an_image_of_this_machine_is_drawn_with_its_boxes(photo: Path) -> None:
    found = job_results(media=(on_disk(photo, kind="image"),))
    picture = found.draw()
    assert picture.size == (640, 480)
    assert picture.getpixel((5, 5)) == BLUE
    assert picture.getpixel((64, 150)) != BLUE
    assert found.draw(1).getpixel((64, 150)) == BLUE


def test_the_frame_of_a_video_is_the_one_that_was_looked_at(clip: Path) -> None:
    for index in (0, 7, 12):
        assert number_of(_array(read_picture(on_disk(clip, width=0, height=0), index))) == index


def _array(image: Image.Image) -> Any:
    import numpy as np

    return np.asarray(image)


def test_an_object_of_s3_is_read_in_the_version_that_was_worked(s3_server: S3Server, photo: Path) -> None:
    uploaded = s3_server.client.put_object(Bucket=s3_server.bucket, Key="a ü%20.png", Body=photo.read_bytes())
    media = replace(on_disk(photo, kind="image"), uri="s3://archive/a ü%20.png", etag=uploaded["ETag"])
    assert read_picture(media, 0).getpixel((5, 5)) == BLUE
    s3_server.client.put_object(Bucket=s3_server.bucket, Key="a ü%20.png", Body=photo.read_bytes() + b"\0")
    with pytest.raises(PictureError, match=r"s3://archive/a.*412|PreconditionFailed"):
        read_picture(media, 0)


def test_an_older_version_is_read_by_its_id(s3_server: S3Server, photo: Path) -> None:
    s3_server.client.create_bucket(Bucket="versioned")
    s3_server.client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    first = s3_server.client.put_object(Bucket="versioned", Key="k", Body=photo.read_bytes())
    s3_server.client.put_object(Bucket="versioned", Key="k", Body=b"something else")
    media = on_disk(photo, kind="image")
    media = replace(media, uri="s3://versioned/k", etag=first["ETag"], version_id=first["VersionId"])
    assert read_picture(media, 0).getpixel((5, 5)) == BLUE


def test_what_is_gone_or_replaced_or_broken_is_a_typed_error(photo: Path, s3_server: S3Server) -> None:
    media = on_disk(photo, kind="image")
    with pytest.raises(PictureError, match=r"no such file.*draw\(image=…\)"):
        read_picture(replace(media, uri="file:///nowhere/a.png"), 0)
    with pytest.raises(PictureError, match=r"404|NoSuchKey"):
        read_picture(replace(media, uri="s3://archive/nothing", etag=None), 0)
    with photo.open("ab") as file:
        file.write(b"more")
    with pytest.raises(PictureError, match="replaced"):
        read_picture(media, 0)
    photo.write_bytes(photo.read_bytes()[:100])
    with pytest.raises(PictureError, match="cannot be read"):
        read_picture(on_disk(photo, kind="image"), 0)


def test_a_file_that_would_start_a_program_is_not_opened(tmp_path: Path) -> None:
    """Pillow hands PostScript to Ghostscript."""
    Image.new("RGB", (640, 480), BLUE).save(tmp_path / "a.eps")
    with pytest.raises(PictureError, match="cannot identify image file"):
        read_picture(on_disk((tmp_path / "a.eps").rename(tmp_path / "a.png"), kind="image"), 0)


def test_a_broken_video_is_a_typed_error(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes()[:200])
    with pytest.raises(PictureError, match=r"clip\.mp4"):
        read_picture(on_disk(clip), 0)


@pytest.mark.parametrize(
    ("library", "pip"), [("PIL", "export"), ("boto3", "export"), ("pipelines.media.probe", "worker")]
)
def test_a_missing_library_is_told_with_the_pip_line(
    library: str, pip: str, photo: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    medium = {
        "PIL": on_disk(photo, kind="image"),
        "boto3": replace(on_disk(photo, kind="image"), uri="s3://archive/a"),
        "pipelines.media.probe": on_disk(clip),
    }[library]
    real_import = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real_import(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=rf"pip install 'reelmill\[{pip}\]'"):
        Frame(medium, 0, None, (CAT,)).draw()
