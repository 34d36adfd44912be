"""Videos: the frames that come are the frames that were asked for, whichever library reads them."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from media.conftest import CLIPS
from media.synthesis import FPS, FRAMES, HEIGHT, WIDTH, number_of
from pipelines.media.probe import open_reader, probe
from pipelines.media.readers.av_reader import AvReader
from pipelines.media.readers.decord_reader import DecordReader, decord_reads
from pipelines.media.readers.video_file import open_video
from pipelines.media.source import open_source
from pipelines.media.types import DecodeLimits, VideoLibrary

NUMBERED = [name for name in CLIPS if name != "one_frame.mp4"]
DECORD_CLIPS = ["h264.mp4", "h264.mkv", "bt709.mp4", "full_range.mp4", "vp9.webm", "rotated_90.mp4",
                "rotated_180.mp4", "rotated_270.mp4", "variable_rate.mkv", "long_gop.mp4"]  # fmt: skip
PYAV_CLIPS = sorted(set(NUMBERED) - set(DECORD_CLIPS) - {"h264.mov"})


@contextmanager
def av_reader(path: Path) -> Iterator[AvReader]:
    source = open_source(str(path), path.name, DecodeLimits())
    with source.file:
        reader = AvReader(open_video(source))
        yield reader
        reader.close()


@contextmanager
def decord_reader(path: Path) -> Iterator[DecordReader]:
    source = open_source(str(path), path.name, DecodeLimits())
    with source.file:
        reader = DecordReader(open_video(source))
        yield reader
        reader.close()


def is_for_decord(path: Path) -> bool:
    source = open_source(str(path), path.name, DecodeLimits())
    with source.file:
        video = open_video(source)
        try:
            return decord_reads(video)
        finally:
            video.close()


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("library", ["av", "decord"])
def test_every_frame_carries_its_own_number(clip: Callable[[str], Path], name: str, library: VideoLibrary) -> None:
    with open_reader(str(clip(name)), name, DecodeLimits(), library) as reader:
        assert reader.info.frame_count == FRAMES
        frames = list(reader.read(range(FRAMES)))
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert [number_of(frame.picture) for frame in frames] == list(range(FRAMES))
    assert reader.decode_errors == 0


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("wanted", [(5, 5, 11, 12, 13, 40), (0, 47), (47,), (13, 25, 37)])
def test_frames_far_apart_are_the_right_ones_with_either_library(
    clip: Callable[[str], Path], name: str, wanted: tuple[int, ...]
) -> None:
    with av_reader(clip(name)) as reader:
        assert [number_of(frame.picture) for frame in reader.read(wanted)] == list(wanted)
    with open_reader(str(clip(name)), name, DecodeLimits(), "decord") as chosen:
        assert [number_of(frame.picture) for frame in chosen.read(wanted)] == list(wanted)


@pytest.mark.parametrize("name", DECORD_CLIPS)
def test_decord_and_pyav_agree_bit_for_bit_where_decord_is_chosen(clip: Callable[[str], Path], name: str) -> None:
    wanted = [0, 7, 20, 47]
    assert is_for_decord(clip(name))
    with decord_reader(clip(name)) as decord, av_reader(clip(name)) as pyav:
        for theirs, ours in zip(decord.read(wanted), pyav.read(wanted), strict=True):
            np.testing.assert_array_equal(theirs.picture, ours.picture)
            assert theirs.index == ours.index
            assert theirs.timestamp_s == pytest.approx(ours.timestamp_s, abs=1e-4)
        assert decord.info.fps == pytest.approx(pyav.info.fps, rel=1e-3)


@pytest.mark.parametrize("name", PYAV_CLIPS)
def test_what_decord_misreads_goes_to_pyav(clip: Callable[[str], Path], name: str) -> None:
    assert not is_for_decord(clip(name))


def moved_by(distance: int, data: bytes) -> bytes:
    """The same MP4 with its chunk offsets (stco) counted from further ahead."""
    table = data.index(b"stco") + 8
    count = int.from_bytes(data[table : table + 4])
    offsets = struct.unpack_from(f">{count}I", data, table + 4)
    moved = struct.pack(f">{count}I", *(offset + distance for offset in offsets))
    return data[: table + 4] + moved + data[table + 4 + len(moved) :]


def test_a_first_byte_that_could_be_text_keeps_decord_away(clip: Callable[[str], Path], tmp_path: Path) -> None:
    # A first box of 0x23 hexadecimal million bytes ("#…") that is cut by the sparse file's size costs no disk.
    size = 0x23000000
    path = tmp_path / "h264.mp4"
    with path.open("wb") as file:
        file.write(size.to_bytes(4) + b"free")
        file.seek(size)
        file.write(moved_by(size, clip("h264.mp4").read_bytes()))
    assert probe(str(path), "x").frame_count == FRAMES
    assert not is_for_decord(path)


@pytest.mark.parametrize("name", ["open_gop.mp4", "intra_refresh.mp4", "hevc.mp4", "mpeg4_b.mp4"])
def test_decord_is_kept_from_streams_whose_keyframes_are_no_clean_starts(
    clip: Callable[[str], Path], name: str
) -> None:
    assert not is_for_decord(clip(name))


@pytest.mark.parametrize("name", ["rotated_90.mp4", "rotated_180.mp4", "rotated_270.mp4", "rotated_10bit.mp4"])
def test_rotated_videos_come_upright(clip: Callable[[str], Path], name: str) -> None:
    with open_reader(str(clip(name)), name, DecodeLimits()) as reader:
        (frame,) = reader.read([21])
        assert (reader.info.width, reader.info.height) == (WIDTH, HEIGHT)
        assert reader.info.rotation_deg == CLIPS[name].rotation_deg
        assert np.asarray(frame.picture).shape == (HEIGHT, WIDTH, 3)
        assert number_of(frame.picture) == 21


@pytest.mark.parametrize("name", ["h264.mp4", "h264.ts", "h264.flv", "mpeg4.avi", "av1.webm", "mpeg2.mpg"])
def test_times_count_from_the_first_frame(clip: Callable[[str], Path], name: str) -> None:
    with open_reader(str(clip(name)), name, DecodeLimits()) as reader:
        times = [frame.timestamp_s for frame in reader.read([0, 24, 47])]
    assert times == pytest.approx([0, 1, 47 / FPS], abs=0.002)


def test_times_of_a_variable_rate_are_those_of_the_frames(clip: Callable[[str], Path]) -> None:
    with open_reader(str(clip("variable_rate.mkv")), "v", DecodeLimits()) as reader:
        times = [frame.timestamp_s for frame in reader.read([1, 10, 40])]
    assert times == pytest.approx([CLIPS["variable_rate.mkv"].times_s[k] for k in (1, 10, 40)], abs=0.002)


def with_damaged_packets(source: Path, target: Path, numbers: range, *, keep_bytes: int) -> Path:
    """A copy in which the packets of these numbers (in the order of decoding) are noise behind their first bytes."""
    data = bytearray(source.read_bytes())
    noise = np.random.default_rng(0)
    with av.open(str(source)) as container:
        for number, packet in enumerate(container.demux(video=0)):
            if number in numbers and packet.pos is not None:
                start, end = packet.pos + keep_bytes, packet.pos + packet.size
                data[start:end] = noise.bytes(max(0, end - start))
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("keep_bytes", [0, 40])
@pytest.mark.parametrize("library", ["av", "decord"])
def test_damage_is_counted_and_what_can_be_read_is_read(
    clip: Callable[[str], Path], tmp_path: Path, keep_bytes: int, library: VideoLibrary
) -> None:
    # With their headers kept, decord shows such frames as if nothing were wrong.
    damaged = with_damaged_packets(clip("long_gop.mp4"), tmp_path / "damaged.mp4", range(10, 30), keep_bytes=keep_bytes)
    with open_reader(str(damaged), "damaged", DecodeLimits(), library) as reader:
        frames = list(reader.read([0, 20, 40, 47]))
        assert reader.decode_errors > 0
    assert len(frames) == 4
    assert number_of(frames[0].picture) == 0


def test_frames_before_the_damage_count_no_errors(clip: Callable[[str], Path], tmp_path: Path) -> None:
    data = bytearray(clip("h264.mp4").read_bytes())
    end = data.index(b"moov") - 4 if data.index(b"moov") > data.index(b"mdat") else len(data)
    data[end - 200 : end - 100] = bytes(100)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    with open_reader(str(damaged), "damaged", DecodeLimits()) as reader:
        (frame,) = reader.read([2])
        assert number_of(frame.picture) == 2
        assert reader.decode_errors == 0
