"""What a file is said to hold, and the error that each broken file gets."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from media.synthesis import number_of, png_header_of
from pipelines.errors import (
    EmptyMediaError,
    MediaError,
    MediaTooLargeError,
    NoFramesError,
    NotMediaError,
    TruncatedMediaError,
)
from pipelines.media.probe import open_reader, probe
from pipelines.media.types import DecodeLimits, MediaInfo


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def saved(image: Image.Image, path: Path, image_format: str, **options: object) -> Path:
    image.save(path, image_format, **options)
    return path


def test_a_video_is_described_by_what_its_stream_says(clip: Callable[[str], Path]) -> None:
    info = probe(str(clip("h264.mp4")), "x")
    assert info == MediaInfo("video", "mp4", "h264", 160, 96, 48, 2.0, 24.0, 0)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("av1.webm", "av1"), ("hevc_10bit.mp4", "hevc"), ("vp9.webm", "vp9"), ("mpeg2.mpg", "mpeg2video")],
)
def test_codecs_have_their_common_names(clip: Callable[[str], Path], name: str, codec: str) -> None:
    info = probe(str(clip(name)), name)
    assert (info.codec, info.frame_count) == (codec, 48)
    assert info.duration_s == pytest.approx(2.0, abs=0.1)


def test_one_frame_is_a_video_all_the_same(clip: Callable[[str], Path]) -> None:
    info = probe(str(clip("one_frame.mp4")), "x")
    assert (info.kind, info.frame_count) == ("video", 1)


def test_golden_images_are_decoded_as_by_the_published_loader_and_turned_upright(golden: Path) -> None:
    decoded = load_file(golden / "inputs" / "decoded_rgb.safetensors")
    turned = {"img4_exif_rot"}
    for path in sorted((golden / "inputs").glob("img*.*")):
        expected = decoded[path.stem]
        if path.stem in turned:
            # The published loader ignores EXIF; orientation 6 wants a quarter turn clockwise.
            expected = np.rot90(expected, -1)
        with open_reader(str(path), path.name, DecodeLimits()) as reader:
            (frame,) = reader.read([0])
            pixels = np.asarray(frame.picture)
            assert (reader.info.height, reader.info.width) == expected.shape[:2] == pixels.shape[:2]
            assert np.abs(pixels.astype(int) - expected).max() <= (1 if path.suffix == ".jpg" else 0), path.name
            assert (reader.info.kind, frame.timestamp_s) == ("image", None)


@pytest.mark.parametrize("image_format", ["TIFF", "BMP", "WEBP", "JPEG2000", "AVIF", "QOI", "PPM", "SGI", "DDS", "GIF"])
def test_other_still_formats_are_images(tmp_path: Path, image_format: str) -> None:
    picture = Image.new("RGB", (48, 32), (200, 30, 60))
    info = probe(str(saved(picture, tmp_path / "picture", image_format)), "picture")
    assert (info.kind, info.width, info.height, info.frame_count) == ("image", 48, 32, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_upright(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16] = 255
    stored = {
        1: upright,
        2: np.fliplr(upright),
        3: np.rot90(upright, 2),
        4: np.flipud(upright),
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(Image.fromarray(np.ascontiguousarray(stored)), tmp_path / "picture.png", "PNG", exif=exif)
    with open_reader(str(path), "picture", DecodeLimits()) as reader:
        (frame,) = reader.read([0])
        assert (reader.info.width, reader.info.height) == (48, 32)
        np.testing.assert_array_equal(np.asarray(frame.picture), upright)


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_an_animation_is_a_video_with_the_times_of_its_frames(animation: Callable[[str], Path], kind: str) -> None:
    with open_reader(str(animation(kind)), "animation", DecodeLimits()) as reader:
        frames = list(reader.read([0, 2, 2, 4]))
        assert (reader.info.kind, reader.info.frame_count) == ("video", 5)
        assert reader.info.duration_s == pytest.approx(1.5)
        assert reader.info.fps == pytest.approx(5 / 1.5)
    assert [number_of(frame.picture) for frame in frames] == [0, 2, 2, 4]
    assert [frame.timestamp_s for frame in frames] == pytest.approx([0, 0.3, 0.3, 1.0])


def test_the_fallback_picture_of_an_apng_is_no_frame(tmp_path: Path) -> None:
    fallback, *frames = (Image.new("L", (8, 8), level) for level in (9, 50, 100))
    path = tmp_path / "a.png"
    fallback.save(path, save_all=True, append_images=frames, default_image=True, duration=100)
    with open_reader(str(path), "a.png", DecodeLimits()) as reader:
        levels = [np.asarray(frame.picture)[0, 0, 0] for frame in reader.read([0, 1])]
        assert (reader.info.frame_count, levels) == (2, [50, 100])


def test_zero_bytes(tmp_path: Path) -> None:
    with pytest.raises(EmptyMediaError, match="s3://b/zero: the file has zero bytes"):
        probe(written(tmp_path / "zero.mp4", b""), "s3://b/zero")


def test_a_playlist_under_a_media_name(tmp_path: Path) -> None:
    secret = tmp_path / "secret.ts"
    secret.write_bytes(b"secret")
    with pytest.raises(NotMediaError, match=r"s3://b/list\.mp4: is text"):
        probe(written(tmp_path / "list.mp4", f"#EXTM3U\n#EXTINF:1,\n{secret}\n".encode()), "s3://b/list.mp4")


@pytest.mark.parametrize("keep", [0.3, 0.9])
@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "mpeg4.avi"])
def test_a_cut_video(clip: Callable[[str], Path], tmp_path: Path, name: str, keep: float) -> None:
    data = clip(name).read_bytes()
    with pytest.raises(TruncatedMediaError, match=r"s3://b/cut: .*Upload the whole object again"):
        probe(written(tmp_path / name, data[: int(len(data) * keep)]), "s3://b/cut")


def test_a_video_cut_behind_its_index(clip: Callable[[str], Path], tmp_path: Path) -> None:
    import av

    fast = tmp_path / "fast.mp4"
    with av.open(str(clip("h264.mp4"))) as source, av.open(str(fast), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert probe(str(fast), "x").frame_count == 48
    with pytest.raises(TruncatedMediaError, match="mdat box ends"):
        probe(written(tmp_path / "cut.mp4", fast.read_bytes()[:-500]), "x")


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_cut_image(tmp_path: Path, image_format: str) -> None:
    path = saved(Image.effect_noise((64, 64), 50).convert("RGB"), tmp_path / "whole", image_format)
    cut = written(tmp_path / "cut", path.read_bytes()[: path.stat().st_size // 2])
    with (
        pytest.raises(MediaError, match="s3://b/cut: ") as raised,
        open_reader(cut, "s3://b/cut", DecodeLimits()) as reader,
    ):
        list(reader.read([0]))
    assert isinstance(raised.value, TruncatedMediaError) or image_format == "WEBP"


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_a_cut_animation(animation: Callable[[str], Path], tmp_path: Path, kind: str) -> None:
    data = animation(kind).read_bytes()
    cut = written(tmp_path / "cut", data[: len(data) * 2 // 3])
    with pytest.raises(TruncatedMediaError, match="ends inside frame"):
        probe(cut, "s3://b/cut")


def test_sound_alone(sound: Path) -> None:
    with pytest.raises(NoFramesError, match=r"s3://b/song: has no video stream \(only audio\)"):
        probe(str(sound), "s3://b/song")


def test_a_video_whose_frames_are_all_destroyed(clip: Callable[[str], Path], tmp_path: Path) -> None:
    data = bytearray(clip("h264.mp4").read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    with pytest.raises(NoFramesError, match="without a readable frame"):
        probe(written(tmp_path / "dead.mp4", bytes(data)), "x")


def test_rubbish_behind_a_signature(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"x: .*jpeg"):
        probe(written(tmp_path / "a.jpg", b"\xff\xd8\xff" + b"\x55" * 200), "x")
    with pytest.raises(MediaError, match=r"x: .*matroska"):
        probe(written(tmp_path / "a.mkv", b"\x1aE\xdf\xa3" + b"\x55" * 200), "x")


def test_a_huge_picture_is_refused_by_its_header(tmp_path: Path) -> None:
    with pytest.raises(MediaTooLargeError, match=r"\(900000000 pixels\) exceeds limit of 100000000 pixels\. Shrink"):
        probe(written(tmp_path / "bomb.png", png_header_of(30_000, 30_000)), "x")


def test_the_pixel_limit_holds_for_videos_and_animations(
    clip: Callable[[str], Path], animation: Callable[[str], Path]
) -> None:
    limits = DecodeLimits(max_pixels=160 * 96 - 1)
    for path in (clip("h264.mp4"), clip("av1.webm"), animation("gif"), animation("webp")):
        with pytest.raises(MediaTooLargeError, match="pixels"):
            probe(str(path), "x", limits)


def test_a_picture_inside_an_icon_is_held_to_the_limit_too(tmp_path: Path) -> None:
    inner = png_header_of(30_000, 30_000)
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22)
    icon = written(tmp_path / "bomb.ico", struct.pack("<HHH", 0, 1, 1) + entry + inner)
    with pytest.raises(MediaTooLargeError), open_reader(icon, "x", DecodeLimits()) as reader:
        list(reader.read([0]))


def test_the_frame_limit_holds_for_videos_and_animations(
    clip: Callable[[str], Path], animation: Callable[[str], Path]
) -> None:
    for path in (clip("h264.mp4"), clip("h264.ts"), clip("vp9.webm"), animation("gif"), animation("webp")):
        with pytest.raises(MediaTooLargeError, match="more than 4 frames"):
            probe(str(path), "x", DecodeLimits(max_frames=4))


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(NotMediaError, match="cannot be opened: No such file"):
        probe(str(tmp_path / "nothing"), "x")


def test_an_odd_file_name_is_no_trouble(clip: Callable[[str], Path], tmp_path: Path) -> None:
    odd = tmp_path / "concat:a|b%d \udcff#?.mp4"
    odd.write_bytes(clip("h264.mp4").read_bytes())
    with open_reader(str(odd), "x", DecodeLimits()) as reader:
        assert [number_of(frame.picture) for frame in reader.read([30])] == [30]


def test_the_reader_leaves_no_file_open(clip: Callable[[str], Path], animation: Callable[[str], Path]) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    paths = [clip("h264.mp4"), clip("av1.webm"), animation("gif")]
    before = descriptors()
    for path in paths:
        probe(str(path), "x")
        with pytest.raises(MediaTooLargeError):
            probe(str(path), "x", DecodeLimits(max_pixels=1))
    assert descriptors() == before
