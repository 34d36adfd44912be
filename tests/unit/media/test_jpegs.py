from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from media.stuck import StuckFile
from media.synthesis import number_of
from pipelines.errors import DecoderCrashedError, DecodeTimeoutError, MediaError
from pipelines.media.jpegs import JpegReader, JpegRequest


@pytest.fixture(scope="module")
def reader() -> Iterator[JpegReader]:
    with JpegReader() as made:
        yield made


def wanted(path: Path, *indices: int, side: int = 480, timeout_s: float = 30) -> JpegRequest:
    return JpegRequest(str(path), "s3://b/k", indices, side, 10**8, timeout_s, 2**32)


def picture(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg), formats=["JPEG"])


def test_each_index_gets_its_own_frame(reader: JpegReader, clip: Callable[[str], Path]) -> None:
    files = reader.read(wanted(clip("h264.mp4"), 0, 7, 30, 47))

    assert {index: number_of(picture(file)) for index, file in files.items()} == {0: 0, 7: 7, 30: 30, 47: 47}


def test_pictures_are_upright_and_no_larger_than_asked(
    reader: JpegReader, clip: Callable[[str], Path], tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200), "red").save(tmp_path / "turned.jpg", exif=exif)

    assert picture(reader.read(wanted(tmp_path / "turned.jpg", 0, side=100))[0]).size == (50, 100)
    assert number_of(picture(reader.read(wanted(clip("rotated_90.mp4"), 3))[3])) == 3


def test_what_is_wrong_with_a_file_is_an_error_that_names_it_and_the_next_file_is_read(
    reader: JpegReader, clip: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "playlist.mp4").write_text("#EXTM3U\n/etc/passwd\n")

    with pytest.raises(MediaError, match="s3://b/k: is text"):
        reader.read(wanted(tmp_path / "playlist.mp4", 0))

    assert list(reader.read(wanted(clip("h264.mp4"), 5))) == [5]


def test_a_file_that_takes_too_long_is_given_up_and_the_next_is_read(
    reader: JpegReader, clip: Callable[[str], Path], stuck: StuckFile
) -> None:
    with pytest.raises(DecodeTimeoutError, match=r"longer than 0\.3 s"):
        reader.read(wanted(stuck.path, 0, timeout_s=0.3))

    assert list(reader.read(wanted(clip("h264.mp4"), 5))) == [5]


def test_the_death_of_the_reading_process_is_an_error_of_that_file_alone(clip: Callable[[str], Path]) -> None:
    with JpegReader() as reader:
        reader.read(wanted(clip("h264.mp4"), 0))
        process = reader._process
        assert process is not None
        os.kill(process.pid, 9)

        with pytest.raises(DecoderCrashedError):
            reader.read(wanted(clip("h264.mp4"), 5))

        assert list(reader.read(wanted(clip("h264.mp4"), 5))) == [5]


def test_the_reading_process_knows_no_credentials_and_ends_with_its_reader(
    clip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with JpegReader() as reader:
        reader.read(wanted(clip("h264.mp4"), 0))
        process = reader._process
        assert process is not None
        assert b"secret" not in Path(f"/proc/{process.pid}/environ").read_bytes()

    assert process.poll() is not None
