"""Decoding only what is needed: the pixels are those of decoding everything, and what is not needed is not decoded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import pytest

from media.conftest import CLIPS
from media.synthesis import FRAMES, Clip, write_clip
from media.test_readers import with_damaged_packets
from pipelines.media.readers.av_reader import AvReader
from pipelines.media.readers.nonreference import may_skip_nonreference
from pipelines.media.readers.packet_index import Keyframe, PacketIndex
from pipelines.media.readers.skipping_decoder import Stretch, stretches
from pipelines.media.readers.video_file import open_video
from pipelines.media.source import open_source
from pipelines.media.types import DecodeLimits

UPRIGHT = [name for name, clip in CLIPS.items() if not clip.rotation_deg and clip.frames == FRAMES]
LAYERS = "log-level=none:temporal-layers=3:bframes=3:b-adapt=0:keyint=24"
HEVC = {
    "one_layer.mp4": Clip("libx265", options={"x265-params": "log-level=none:bframes=3:b-adapt=0:keyint=24"}),
    "three_layers.mp4": Clip("libx265", options={"x265-params": LAYERS}),
}


@contextmanager
def reader_of(path: Path, threads: int = 1) -> Iterator[AvReader]:
    source = open_source(str(path), path.name, DecodeLimits(threads=threads))
    with source.file:
        reader = AvReader(open_video(source))
        yield reader
        reader.close()


@lru_cache(maxsize=4)
def all_frames(path: Path) -> list[np.ndarray]:
    """Every frame, decoded from the first to the last with nothing left out."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", UPRIGHT)
@pytest.mark.parametrize("threads", [1, 3])
def test_frames_far_apart_have_the_pixels_of_a_decoder_that_leaves_nothing_out(
    clip: Callable[[str], Path], name: str, threads: int
) -> None:
    expected = all_frames(clip(name))
    for wanted in [(5, 11, 12, 13, 40), (0, 47), (46,), (13, 25, 26, 37), tuple(range(0, FRAMES, 3))]:
        with reader_of(clip(name), threads) as reader:
            for frame in reader.read(wanted):
                np.testing.assert_array_equal(frame.picture, expected[frame.index], err_msg=f"{name} {frame.index}")
            assert reader.decode_errors == 0


@pytest.mark.parametrize("name", HEVC)
def test_hevc_comes_out_the_same_with_and_without_temporal_layers(name: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, HEVC[name])
    expected = all_frames(path)
    with reader_of(path) as reader:
        for frame in reader.read(range(2, FRAMES, 5)):
            np.testing.assert_array_equal(frame.picture, expected[frame.index])


@pytest.mark.parametrize(("name", "may"), [("one_layer.mp4", True), ("three_layers.mp4", False)])
def test_hevc_with_temporal_layers_is_decoded_whole(name: str, may: bool, tmp_path: Path) -> None:
    # A frame that its own layer does not refer to may be one that the layers above do.
    with av.open(str(write_clip(tmp_path / name, HEVC[name]))) as container:
        assert may_skip_nonreference(container.streams.video[0].codec_context) is may


@pytest.mark.parametrize(("name", "may"), [("h264.mp4", True), ("vp9.webm", False), ("av1.webm", False)])
def test_only_codecs_with_true_nonreference_frames_skip_them(clip: Callable[[str], Path], name: str, may: bool) -> None:
    with av.open(str(clip(name))) as container:
        assert may_skip_nonreference(container.streams.video[0].codec_context) is may


def test_frames_that_no_other_refers_to_are_not_decoded_unless_wanted(
    clip: Callable[[str], Path], tmp_path: Path
) -> None:
    path = clip("long_gop.mp4")
    disposable = nonreference_numbers(path)
    assert disposable
    damaged = tmp_path / "damaged.mp4"
    data = bytearray(path.read_bytes())
    for place in disposable.values():
        data[place.start : place.stop] = bytes(len(place))
    damaged.write_bytes(data)
    first = min(disposable)
    wanted = [index for index in range(FRAMES) if index not in disposable]
    with reader_of(damaged) as reader:
        for frame in reader.read(wanted):
            np.testing.assert_array_equal(frame.picture, all_frames(path)[frame.index])
        assert reader.decode_errors == 0
    with reader_of(damaged) as reader:
        list(reader.read([first]))
        assert reader.decode_errors > 0


def nonreference_numbers(path: Path) -> dict[int, range]:
    """Display numbers of H.264 frames that none refers to, and where the bodies of their slices lie in the file."""
    places, times = {}, []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                times.append(packet.pts)
                start = first_slice(bytes(packet))
                if bytes(packet)[start] >> 5 == 0:
                    places[packet.pts] = range(packet.pos + start + 8, packet.pos + packet.size)
    return {sorted(times).index(time): place for time, place in places.items()}


def first_slice(data: bytes) -> int:
    """Where the first slice starts: behind parameter sets and messages, each behind its length of four bytes."""
    start = 4
    while data[start] & 0x1F > 5:
        start += int.from_bytes(data[start - 4 : start]) + 4
    return start


def test_nothing_behind_the_wanted_frame_is_decoded(clip: Callable[[str], Path], tmp_path: Path) -> None:
    # With frames waiting for their order, a decoder that is fed until it hands one out meets the noise behind it.
    damaged = with_damaged_packets(clip("long_gop.mp4"), tmp_path / "damaged.mp4", range(9, FRAMES), keep_bytes=0)
    with reader_of(damaged) as reader:
        (frame,) = reader.read([4])
        np.testing.assert_array_equal(frame.picture, all_frames(clip("long_gop.mp4"))[4])
        assert reader.decode_errors == 0


def test_wanted_frames_are_reached_from_the_keyframes_before_them() -> None:
    first, second = Keyframe(0, 0), Keyframe(10, 100)
    index = PacketIndex(20, tuple(range(0, 200, 10)), (first, second))
    assert list(stretches(index, (3, 9, 10, 19))) == [Stretch(first, (3, 9)), Stretch(second, (10, 19))]
    assert list(stretches(index, (12,))) == [Stretch(second, (12,))]
    assert list(stretches(PacketIndex(20, index.times, ()), (3, 19))) == [Stretch(None, (3, 19))]
    assert list(stretches(index, ())) == []
