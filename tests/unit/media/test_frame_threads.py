"""Several frames at a time: the pixels, the errors and the memory are those of one at a time."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.context import ThreadType

from media.synthesis import FRAMES, Clip, write_clip
from media.test_readers import with_damaged_packets
from media.test_skipping import reader_of
from pipelines.errors import MediaError
from pipelines.media.decode import DecodePool
from pipelines.media.readers.frame_threads import sound_decoder
from pipelines.media.readers.video_file import open_video
from pipelines.media.source import open_source
from pipelines.media.spare_threads import spare_threads
from pipelines.media.types import DecodeLimits, DecodeRequest

LARGE_FRAMES = 12
WANTED = (2, 7, 19, 20, 33, 46)
GIB = 2**30
HEVC_LONG_GOP = Clip("libx265", options={"x265-params": "log-level=none:keyint=48:bframes=3"})


@pytest.mark.parametrize("name", ["long_gop.mp4", "h264.ts", "hevc"])
def test_damage_anywhere_gives_the_same_frames_and_errors_with_any_number_of_threads(
    clip: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    sound = write_clip(tmp_path / "hevc.mp4", HEVC_LONG_GOP) if name == "hevc" else clip(name)
    errors = set()
    for first in (0, 1, 4, 18, 30, FRAMES - 2, FRAMES - 1):
        for keep_bytes in (0, 12):
            path = tmp_path / f"{first}-{keep_bytes}{sound.suffix}"
            with_damaged_packets(sound, path, range(first, first + 1), keep_bytes=keep_bytes)
            one, three, eight = (what_comes(path, threads) for threads in (1, 3, 8))
            assert one[0] == three[0] == eight[0], f"{first} {keep_bytes}"
            errors.add(one[0][-1])
            if one[0][-1]:
                # What a decoder invents where data are missing may lie in memory that was another picture's before.
                continue
            for theirs, ours, more in zip(one[1], three[1], eight[1], strict=True):
                np.testing.assert_array_equal(theirs, ours)
                np.testing.assert_array_equal(theirs, more)
    assert max(errors) > 0


def what_comes(
    path: Path, threads: int, wanted: tuple[int, ...] = WANTED
) -> tuple[tuple[object, ...], list[np.ndarray]]:
    """Indices and errors, and pictures."""
    try:
        with reader_of(path, threads) as reader:
            frames = list(reader.read([index for index in wanted if index < reader.info.frame_count]))
            return (*(frame.index for frame in frames), reader.decode_errors), [frame.picture for frame in frames]
    except MediaError as error:
        return (type(error), str(error), 0), []


def test_what_only_the_first_packet_tells_holds_for_frames_far_behind_it(tmp_path: Path) -> None:
    # Old x264 wrote 4:4:4 in a way of its own, and says its age in the first packet only. New 4:4:4 read so is damaged.
    path = write_clip(tmp_path / "old.mp4", Clip(pixel_format="yuv444p", options={"x264-params": "keyint=8:8x8dct=1"}))
    data = path.read_bytes()
    place = data.index(b"x264 - core ") + len(b"x264 - core ")
    path.write_bytes(data[:place] + b"100" + data[place + 3 :])
    one, three = (what_comes(path, threads, (42, 45)) for threads in (1, 3))
    assert one[0] == three[0]
    assert one[0][-1]
    for theirs, ours in zip(one[1], three[1], strict=True):
        np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize(
    ("name", "threads", "together"),
    [("h264.mp4", 3, True), ("hevc.mp4", 3, True), ("h264.mp4", 1, False), ("vp9.webm", 3, False)],
)
def test_h264_and_hevc_are_decoded_several_frames_at_a_time_where_there_are_threads(
    clip: Callable[[str], Path], name: str, threads: int, together: bool
) -> None:
    source = open_source(str(clip(name)), name, DecodeLimits(threads=threads))
    with source.file:
        video = open_video(source)
        decoder = sound_decoder(video)
        assert (decoder is not video.stream.codec_context) is together
        assert (decoder.thread_type is ThreadType.FRAME) is together
        assert decoder.thread_count == threads
        video.close()


def test_large_pictures_get_fewer_threads_and_small_ones_all() -> None:
    assert spare_threads(DecodeLimits(threads=8, memory_bytes=4 * GIB), 1920, 1080) == 8
    assert spare_threads(DecodeLimits(threads=8, memory_bytes=GIB), 1920, 1080) == 5
    assert spare_threads(DecodeLimits(threads=8, memory_bytes=4 * GIB), 8192, 8192) == 1
    assert spare_threads(DecodeLimits(threads=8, memory_bytes=GIB // 4), 1920, 1080) == 1
    assert spare_threads(DecodeLimits(threads=1, memory_bytes=4 * GIB), 64, 64) == 1


@pytest.mark.parametrize("memory_mb", [256, 1024])
def test_idle_cores_do_not_make_a_video_need_more_memory_than_it_may_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request_for: Callable[..., DecodeRequest], memory_mb: int
) -> None:
    path = large_clip(tmp_path / "large.mp4")
    limits = DecodeLimits(memory_bytes=memory_mb * 2**20)
    request = request_for(path, limits=limits, num_segments=LARGE_FRAMES)
    with DecodePool(1) as pool:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
        alone = pool.decode(request)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
        together = pool.decode(request)
    np.testing.assert_array_equal(together.tiles, alone.tiles)
    assert together.decode_errors == alone.decode_errors == 0


def large_clip(path: Path) -> Path:
    """1080p, every frame another."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast", "bf": "2", "refs": "4"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(LARGE_FRAMES):
            pixels = np.full((1080, 1920, 3), number * 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return path
