"""Decoded tiles are counted for as long as somebody holds them, and decoding waits for room."""

import gc
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.cancellation import Cancellation
from pipelines.errors import CancelledError
from pipelines.media.decode import DecodePool
from pipelines.media.live_tiles import LiveTiles
from pipelines.media.types import DecodeRequest, TilingSpec
from reelmill.schema.tasks import Sampling

TILE_BYTES = 56 * 56 * 3


def held(live: LiveTiles) -> int:
    gc.collect()
    return live.bytes


def enter(live: LiveTiles, cancellation: Cancellation | None = None) -> None:
    with live.room(cancellation):
        pass


def full(live: LiveTiles) -> bool:
    """Whether nobody else is let in now."""
    cancelled = Cancellation()
    cancelled.cancel()
    try:
        enter(live, cancelled)
    except CancelledError:
        return True
    return False


def test_tiles_count_until_the_last_view_of_them_is_gone() -> None:
    live = LiveTiles(1)
    tiles = np.zeros(2 * TILE_BYTES, np.uint8).reshape(2, 56, 56, 3)
    live.watch(tiles)
    last = tiles[1:][0]
    assert live.bytes == 2 * TILE_BYTES
    del tiles
    assert held(live) == 2 * TILE_BYTES
    del last
    assert held(live) == 0


def test_waiting_ends_when_enough_is_let_go_of() -> None:
    live = LiveTiles(2 * TILE_BYTES)
    held_tiles = [np.zeros((1, 56, 56, 3), np.uint8) for _ in range(2)]
    for tiles in held_tiles:
        live.watch(tiles)
    del tiles
    waiting = threading.Thread(target=enter, args=(live,))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    held_tiles.pop()
    waiting.join(20)
    assert not waiting.is_alive()


def test_those_on_their_way_count_as_much_as_those_before_them_brought() -> None:
    live = LiveTiles(3 * TILE_BYTES)
    with live.room():
        assert full(live), "what the first brings is not known yet"
        first = np.zeros((1, 56, 56, 3), np.uint8)
        live.watch(first)
    with live.room():
        assert not full(live)
        with live.room():
            assert full(live), "one is held and two are coming"
    with live.room():
        live.watch(np.zeros((2, 56, 56, 3), np.uint8))
        gc.collect()
        assert full(live), "another large one may come beside the first"


def test_a_first_that_fails_lets_the_others_in() -> None:
    live = LiveTiles(TILE_BYTES)
    with pytest.raises(ValueError, match="broken"), live.room():
        raise ValueError("broken")
    with live.room():
        assert not full(live)


def test_a_cancelled_job_stops_waiting() -> None:
    live, cancellation = LiveTiles(1), Cancellation()
    tiles = np.zeros((1, 56, 56, 3), np.uint8)
    live.watch(tiles)
    cancellation.cancel()
    with pytest.raises(CancelledError):
        enter(live, cancellation)


def test_a_pool_has_no_room_while_its_tiles_are_held(tmp_path: Path) -> None:
    Image.effect_noise((24, 24), 50).save(tmp_path / "picture.png")
    request = DecodeRequest(str(tmp_path / "picture.png"), "picture", Sampling(), TilingSpec(56, 1))
    cancelled = Cancellation()
    cancelled.cancel()
    with DecodePool(1, max_live_bytes=TILE_BYTES) as pool:
        with pool.room(cancelled):
            pass
        media = pool.decode(request)
        with pytest.raises(CancelledError), pool.room(cancelled):
            pass
        # Only whole jobs wait: what one of them needs besides is decoded all the same.
        assert pool.decode(request).tiles.nbytes == TILE_BYTES
        del media
        gc.collect()
        with pool.room(cancelled):
            pass
