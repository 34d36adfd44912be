"""Videos read by ranges: the same frames as from the whole file, and of the file only what they need."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from media.byte_ranges import MemoryRanges
from media.synthesis import repeat_clip
from media.test_readers import with_damaged_packets
from pipelines.cancellation import Cancellation
from pipelines.errors import CancelledError, PipelineError, TruncatedMediaError, WholeFileNeededError
from pipelines.media import decoder_process
from pipelines.media.decode import DecodePool
from pipelines.media.extract import extract
from pipelines.media.range_server import RangeServer
from pipelines.media.ranges import Extent, RangedFile, pays_by_ranges
from pipelines.media.readers.completeness import iso_boxes
from pipelines.media.types import DecodedMedia, DecodeLimits, DecodeRequest, TilingSpec
from pipelines.media.wire import RangeQuestion

Requests = Callable[..., DecodeRequest]
Long = Callable[[str, str], Path]
TIMES = 40
LAYOUTS = {
    "index_last": {},
    "index_first": {"movflags": "faststart"},
    "fragmented": {"movflags": "frag_keyframe+empty_moov+default_base_moof"},
}
NAMES = [
    "h264.mp4",
    "h264.mov",
    "hevc.mp4",
    "hevc_10bit.mp4",
    "long_gop.mp4",
    "open_gop.mp4",
    "mpeg4_b.mp4",
    "rotated_90.mp4",
]


@pytest.fixture(scope="session")
def long(clip: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Long:
    """A clip of CLIPS TIMES over, in a layout of LAYOUTS."""
    folder = tmp_path_factory.mktemp("long")

    def made(name: str, layout: str) -> Path:
        path = folder / f"{layout}-{name}"
        return path if path.exists() else repeat_clip(clip(name), path, TIMES, LAYOUTS[layout])

    return made


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(1) as pool:
        yield pool


def by_ranges(request: DecodeRequest, ranges: MemoryRanges) -> DecodeRequest:
    return replace(request, path="/nowhere", ranges=ranges)


def assert_equal(ours: DecodedMedia, whole: DecodedMedia) -> None:
    assert (ours.info, ours.segments, ours.decode_errors) == (whole.info, whole.segments, whole.decode_errors)
    np.testing.assert_array_equal(ours.tiles, whole.tiles)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", ["index_first", "index_last"])
def test_frames_and_tiles_are_those_of_the_whole_file(
    long: Long, request_for: Requests, name: str, layout: str
) -> None:
    path = long(name, layout)
    for sampling in ({"num_segments": 3}, {"num_segments": 4, "bound": (31.0, 47.5)}):
        request = request_for(path, tiling=TilingSpec(96, 1), **sampling)
        ranges = MemoryRanges(path.read_bytes())
        assert_equal(extract(by_ranges(request, ranges)), extract(request))


def test_only_the_index_and_the_wanted_groups_of_pictures_are_read(long: Long, request_for: Requests) -> None:
    path = long("h264.mp4", "index_last")
    request = request_for(path, num_segments=2, bound=(60.0, 62.0))
    ranges = MemoryRanges(path.read_bytes())
    extract(by_ranges(request, ranges))
    with path.open("rb") as file:
        (samples,) = (box for box in iso_boxes(file, ranges.size_bytes) if box.kind == b"mdat")
    within = [size for start, size, _ in ranges.asked if samples.start + 16_384 <= start < samples.end]
    # The decoder's first look takes some, whatever is asked; two groups of 12 frames of 1920 are 1.3%.
    assert sum(within) < 0.2 * ranges.size_bytes
    assert ranges.read_bytes < 0.35 * ranges.size_bytes


@pytest.mark.parametrize("name", ["long_gop.mp4", "hevc.mp4"])
def test_more_threads_ask_for_the_same_bytes(long: Long, request_for: Requests, name: str) -> None:
    path = long(name, "index_last")
    asked, media = [], []
    for threads in (1, 3):
        ranges = MemoryRanges(path.read_bytes())
        request = request_for(path, num_segments=6, limits=DecodeLimits(threads=threads))
        media.append(extract(by_ranges(request, ranges)))
        asked.append(ranges.asked)
    assert asked[0] == asked[1]
    assert_equal(*media)


@pytest.mark.parametrize("name", ["h264.mkv", "h264.ts", "vp9.webm", "mpeg4.avi"])
def test_other_containers_are_asked_for_whole(clip: Callable[[str], Path], request_for: Requests, name: str) -> None:
    data = clip(name).read_bytes()
    assert not pays_by_ranges(data)
    with pytest.raises(WholeFileNeededError, match="is not read by ranges"):
        extract(by_ranges(request_for(clip(name)), MemoryRanges(data)))


def test_fragments_are_asked_for_whole(long: Long, request_for: Requests) -> None:
    path = long("h264.mp4", "fragmented")
    ranges = MemoryRanges(path.read_bytes())
    with pytest.raises(WholeFileNeededError, match="is fragmented"):
        extract(by_ranges(request_for(path), ranges))
    assert ranges.read_bytes < 0.1 * ranges.size_bytes


def test_keyframes_that_are_no_clean_starts_are_left_to_the_whole_file(long: Long, request_for: Requests) -> None:
    path = long("intra_refresh.mp4", "index_last")
    with pytest.raises(WholeFileNeededError, match="starts unclean"):
        extract(by_ranges(request_for(path, num_segments=3), MemoryRanges(path.read_bytes())))


def test_a_file_of_which_most_is_wanted_is_asked_for_whole(long: Long, request_for: Requests) -> None:
    path = long("h264.mp4", "index_last")
    with pytest.raises(WholeFileNeededError, match="most of it is wanted"):
        extract(by_ranges(request_for(path, num_segments=400), MemoryRanges(path.read_bytes())))


def test_damage_is_left_to_the_whole_file(clip: Callable[[str], Path], tmp_path: Path, request_for: Requests) -> None:
    damaged = with_damaged_packets(clip("h264.mp4"), tmp_path / "damaged.mp4", range(12, 24), keep_bytes=0)
    path = repeat_clip(damaged, tmp_path / "long.mp4", TIMES, {})
    with pytest.raises(WholeFileNeededError, match="is damaged"):
        extract(by_ranges(request_for(path, num_segments=2, bound=(0.6, 0.8)), MemoryRanges(path.read_bytes())))


@pytest.mark.parametrize("layout", ["index_first", "index_last"])
def test_a_file_that_was_cut_off_is_told_as_it_is_of_a_whole_one(
    long: Long, tmp_path: Path, request_for: Requests, layout: str
) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(long("h264.mp4", layout).read_bytes()[:-150_000])
    with pytest.raises(TruncatedMediaError) as whole:
        extract(request_for(path))
    with pytest.raises(TruncatedMediaError) as ours:
        extract(by_ranges(request_for(path), MemoryRanges(path.read_bytes())))
    assert ours.value.message == whole.value.message


def test_the_sandbox_reads_by_ranges_what_its_parent_serves(
    pool: DecodePool, long: Long, request_for: Requests
) -> None:
    path = long("h264.mp4", "index_last")
    request = request_for(path, num_segments=3)
    assert_equal(pool.decode(by_ranges(request, MemoryRanges(path.read_bytes()))), extract(request))


def test_the_sandbox_may_ask_for_the_whole_file_and_lives_on(
    pool: DecodePool, long: Long, request_for: Requests
) -> None:
    path, before = long("h264.mp4", "index_last"), pool.process_ids()
    with pytest.raises(WholeFileNeededError, match="most of it"):
        pool.decode(by_ranges(request_for(path, num_segments=400), MemoryRanges(path.read_bytes())))
    assert pool.process_ids() == before


class TroubleError(PipelineError):
    code = "trouble"


@pytest.mark.parametrize("at", [0, 2, 4])
def test_what_keeps_bytes_from_coming_is_raised_as_it_is_and_the_decoder_lives_on(
    pool: DecodePool, long: Long, request_for: Requests, at: int
) -> None:
    def fail(number: int) -> None:
        if number >= at:
            raise TroubleError("storage is away")

    path, before = long("h264.mp4", "index_last"), pool.process_ids()
    request = request_for(path, num_segments=3)
    with pytest.raises(TroubleError, match="storage is away"):
        pool.decode(by_ranges(request, MemoryRanges(path.read_bytes(), fail)))
    assert pool.process_ids() == before
    assert_equal(pool.decode(request), extract(request))


def test_waiting_for_storage_is_not_the_decoders_time(pool: DecodePool, long: Long, request_for: Requests) -> None:
    path = long("h264.mp4", "index_last")
    pool.decode(request_for(path, num_segments=3))
    slow = MemoryRanges(path.read_bytes(), lambda number: time.sleep(6 if number == 1 else 0))
    request = by_ranges(request_for(path, num_segments=3, limits=DecodeLimits(timeout_s=5)), slow)
    assert len(pool.decode(request).tiles) == 3


def test_cancelling_ends_a_decode_that_waits_for_storage(pool: DecodePool, long: Long, request_for: Requests) -> None:
    path, cancellation = long("h264.mp4", "index_last"), Cancellation()

    def cancel(number: int) -> None:
        if number == 2:
            cancellation.cancel()

    with pytest.raises(CancelledError):
        pool.decode(by_ranges(request_for(path), MemoryRanges(path.read_bytes(), cancel)), cancellation)
    assert len(pool.decode(request_for(path, num_segments=3)).tiles) == 3


@pytest.mark.parametrize(
    "question",
    [
        RangeQuestion(90, 11, 101),
        RangeQuestion(0, 0, 10),
        RangeQuestion(100, 1, 101),
        RangeQuestion(0, 20, 10),
        RangeQuestion(0, 10, 101),
        RangeQuestion(2**63, 1, 2**63 + 1),
    ],
)
def test_a_decoder_cannot_ask_for_bytes_outside_its_file(question: RangeQuestion) -> None:
    ranges = MemoryRanges(bytes(100))
    with pytest.raises(EOFError):
        RangeServer(ranges).answer(question)
    with pytest.raises(EOFError):
        RangeServer(None).answer(RangeQuestion(0, 1, 1))
    assert ranges.asked == []


def test_a_decoder_that_takes_no_answer_does_not_hold_the_parent_past_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError):
        decoder_process._Exchange(ours, time.monotonic() + 0.5, None).send(bytes(32 * 2**20))


def test_blank_payload_is_never_mixed_up_with_the_real_one() -> None:
    data = bytes(range(1, 201))
    file = RangedFile(MemoryRanges(data))
    file.know_payload([Extent(50, 80), Extent(120, 200)])
    blank = file.without_payload()
    assert blank.read(200) == data[:50]
    assert blank.read(200) == bytes(30)
    assert blank.read(200) == data[80:120]
    assert blank.read(200) == bytes(80)
    file.seek(40)
    assert b"".join(iter(lambda: file.read(7), b"")) == data[40:]
    assert file.read(10) == b""
