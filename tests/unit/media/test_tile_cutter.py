"""Pictures are cut on several threads: same tiles, same order, few at a time, and no error is lost."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.media import tile_cutter
from pipelines.media.extract import extract
from pipelines.media.tile_cutter import TileCutter
from pipelines.media.tiling import Picture, TilePlan, plan_tiles
from pipelines.media.types import DecodeLimits, DecodeRequest, Tiles, TilingSpec

Requests = Callable[..., DecodeRequest]
PLAN = plan_tiles(64, 32, TilingSpec(16, 6), 6)
PICTURES = [np.random.default_rng(number).integers(0, 256, (32, 64, 3), dtype=np.uint8) for number in range(6)]
PATIENCE_S = 20


def empty_tiles(pictures: int) -> Tiles:
    return np.zeros((pictures * PLAN.tile_count, 16, 16, 3), np.uint8)


@pytest.mark.parametrize("threads", [1, 3])
def test_tiles_lie_in_the_order_of_their_pictures_and_a_repeated_one_has_its_own(threads: int) -> None:
    tiles = empty_tiles(len(PICTURES) + 1)
    with TileCutter(PLAN, tiles, threads) as cutter:
        for number, picture in enumerate(PICTURES):
            cutter.cut(picture)
            if number == 3:
                cutter.repeat()
    expected = [np.empty((PLAN.tile_count, 16, 16, 3), np.uint8) for _ in PICTURES]
    for picture, out in zip(PICTURES, expected, strict=True):
        tile_cutter.cut_tiles(picture, PLAN, out)
    expected.insert(4, expected[3])
    np.testing.assert_array_equal(tiles, np.concatenate(expected))


def test_the_caller_goes_on_while_pictures_are_cut_and_waits_when_as_many_as_threads_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released, started = threading.Event(), threading.Barrier(3)

    def held(picture: Picture, plan: TilePlan, out: Tiles) -> None:
        if not released.is_set():
            started.wait(PATIENCE_S)
        released.wait(PATIENCE_S)

    monkeypatch.setattr(tile_cutter, "cut_tiles", held)
    with TileCutter(PLAN, empty_tiles(3), 2) as cutter:
        cutter.cut(PICTURES[0])
        cutter.cut(PICTURES[1])
        # Both are in work, at the same time, and this thread is here.
        started.wait(PATIENCE_S)
        third = threading.Thread(target=cutter.cut, args=(PICTURES[2],))
        third.start()
        third.join(0.2)
        assert third.is_alive()
        released.set()
        third.join(PATIENCE_S)
        assert not third.is_alive()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_picture_that_cannot_be_cut_ends_it_with_its_own_error(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    def failing(picture: Picture, plan: TilePlan, out: Tiles) -> None:
        raise MemoryError

    monkeypatch.setattr(tile_cutter, "cut_tiles", failing)
    with pytest.raises(MemoryError), TileCutter(PLAN, empty_tiles(1), threads) as cutter:
        cutter.cut(PICTURES[0])


def test_an_error_of_the_reader_is_not_hidden_by_one_of_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(picture: Picture, plan: TilePlan, out: Tiles) -> None:
        raise MemoryError

    monkeypatch.setattr(tile_cutter, "cut_tiles", failing)

    def read() -> None:
        with TileCutter(PLAN, empty_tiles(1), 2) as cutter:
            cutter.cut(PICTURES[0])
            raise ValueError("the reader's")

    with pytest.raises(ValueError, match="the reader's"):
        read()


@pytest.mark.parametrize("resize", ["exact", "fast"])
@pytest.mark.parametrize("name", ["long_gop.mp4", "hevc.mp4", "open_gop.mp4", "vp9.webm", "rotated_90.mp4"])
def test_a_video_has_the_same_tiles_with_any_number_of_threads(
    clip: Callable[[str], Path], request_for: Requests, name: str, resize: str
) -> None:
    tiling = TilingSpec(56, 6, 2, resize=resize)
    for segments in (5, 60):
        one, two, five = (
            extract(request_for(clip(name), tiling=tiling, limits=DecodeLimits(threads=threads), num_segments=segments))
            for threads in (1, 2, 5)
        )
        for other in (two, five):
            np.testing.assert_array_equal(other.tiles, one.tiles)
            assert other.segments == one.segments
