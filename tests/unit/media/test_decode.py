"""The pool of sandboxed decoders, with real processes."""

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.stuck import StuckFile, eventually
from media.synthesis import png_header_of
from pipelines.cancellation import Cancellation
from pipelines.errors import (
    CancelledError,
    DecoderCrashedError,
    DecoderUnavailableError,
    DecodeTimeoutError,
    MediaError,
    MediaTooLargeError,
    NotMediaError,
)
from pipelines.media import decoder_process
from pipelines.media.decode import DecodePool
from pipelines.media.extract import extract
from pipelines.media.types import DecodeLimits, DecodeRequest, TilingSpec

Requests = Callable[..., DecodeRequest]


@pytest.fixture(scope="module")
def shared_pool() -> Iterator[DecodePool]:
    with DecodePool(2) as pool:
        yield pool


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.effect_noise((24, 24), 50).convert("RGB").save(path)
    return path


def alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("name", ["h264.mp4", "av1.webm"])
def test_the_sandbox_decodes_as_this_process_does(
    shared_pool: DecodePool, clip: Callable[[str], Path], request_for: Requests, name: str
) -> None:
    request = request_for(clip(name), tiling=TilingSpec(96, 1), window_s=1.0)
    theirs, ours = shared_pool.decode(request), extract(request)
    assert (theirs.info, theirs.segments, theirs.decode_errors) == (ours.info, ours.segments, ours.decode_errors)
    np.testing.assert_array_equal(theirs.tiles, ours.tiles)


def test_where_every_window_is_known_the_sandbox_tells_what_the_file_is_and_gives_no_tiles(
    shared_pool: DecodePool, clip: Callable[[str], Path], request_for: Requests
) -> None:
    request = replace(request_for(clip("h264.mp4"), tiling=TilingSpec(96, 1), window_s=1.0), done=frozenset({0, 1}))
    media = shared_pool.decode(request)
    assert (media.segments, media.tiles.shape, media.info.frame_count) == ((), (0, 96, 96, 3), 48)


def test_errors_cross_with_type_name_and_advice(shared_pool: DecodePool, tmp_path: Path, request_for: Requests) -> None:
    path = tmp_path / "list.mp4"
    path.write_bytes(b"#EXTM3U\n/etc/passwd\n")
    before = set(shared_pool.process_ids())
    with pytest.raises(NotMediaError, match=r"^s3://b/list: is text.*Submit images"):
        shared_pool.decode(request_for(path, name="s3://b/list"))
    assert set(shared_pool.process_ids()) == before


def test_each_of_many_threads_gets_its_own_file(shared_pool: DecodePool, tmp_path: Path, request_for: Requests) -> None:
    for level in range(64):
        Image.new("RGB", (16, 16), (level, 255 - level, 7)).save(tmp_path / f"{level}.png")

    def decoded(level: int) -> tuple[int, ...]:
        media = shared_pool.decode(request_for(tmp_path / f"{level}.png"))
        return tuple(int(value) for value in media.tiles[0, 5, 5])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(decoded, range(64))) == [(level, 255 - level, 7) for level in range(64)]


def test_tiles_live_on_when_the_pool_is_closed(picture: Path, request_for: Requests) -> None:
    with DecodePool(1) as pool:
        tiles = pool.decode(request_for(picture)).tiles
    np.testing.assert_array_equal(tiles, extract(request_for(picture)).tiles)
    assert tiles.flags.writeable


def test_a_killed_decoder_is_replaced_and_the_file_tried_once_more(
    stuck: StuckFile, picture: Path, request_for: Requests
) -> None:
    with ThreadPoolExecutor(1) as thread, DecodePool(1) as pool:
        future = thread.submit(pool.decode, request_for(stuck.path, name="s3://b/k"))
        stuck.wait_for_reader()
        kill_the_decoder(pool)
        stuck.release()
        stuck.wait_for_reader()
        stuck.release(b"#EXTM3U")
        with pytest.raises(NotMediaError, match="s3://b/k: is text"):
            future.result(60)
        assert len(pool.decode(request_for(picture)).tiles) == 1


def test_a_file_that_kills_two_decoders_is_convicted(stuck: StuckFile, picture: Path, request_for: Requests) -> None:
    with ThreadPoolExecutor(1) as thread, DecodePool(1) as pool:
        future = thread.submit(pool.decode, request_for(stuck.path, name="s3://b/k"))
        for _ in range(2):
            stuck.wait_for_reader()
            kill_the_decoder(pool)
            stuck.release()
        with pytest.raises(DecoderCrashedError, match=r"s3://b/k: the decoder died \(SIGKILL\)"):
            future.result(60)
        assert len(pool.decode(request_for(picture)).tiles) == 1


def test_a_decoder_that_died_idle_costs_no_file_anything(picture: Path, request_for: Requests) -> None:
    with DecodePool(1) as pool:
        pool.decode(request_for(picture))
        victim = kill_the_decoder(pool)
        assert len(pool.decode(request_for(picture)).tiles) == 1
        assert victim not in pool.process_ids()


def test_a_file_that_takes_too_long_is_given_up_and_its_decoder_killed(
    stuck: StuckFile, picture: Path, request_for: Requests
) -> None:
    with DecodePool(1) as pool:
        pool.decode(request_for(picture))
        (process_id,) = pool.process_ids()
        limits = DecodeLimits(timeout_s=0.3)
        with pytest.raises(DecodeTimeoutError, match=r"s3://b/k: decoding took longer than 0\.3 s"):
            pool.decode(request_for(stuck.path, name="s3://b/k", limits=limits))
        assert not alive(process_id)
        assert len(pool.decode(request_for(picture)).tiles) == 1


def test_cancelling_kills_the_decoder_and_frees_its_place(
    stuck: StuckFile, picture: Path, request_for: Requests
) -> None:
    cancellation = Cancellation()
    with ThreadPoolExecutor(1) as thread, DecodePool(1) as pool:
        future = thread.submit(pool.decode, request_for(stuck.path), cancellation)
        stuck.wait_for_reader()
        (process_id,) = pool.process_ids()
        cancellation.cancel()
        with pytest.raises(CancelledError):
            future.result(60)
        assert not alive(process_id)
        assert len(pool.decode(request_for(picture)).tiles) == 1


def test_who_waits_for_a_decoder_can_be_cancelled_too(stuck: StuckFile, picture: Path, request_for: Requests) -> None:
    cancellation = Cancellation()
    with ThreadPoolExecutor(2) as threads, DecodePool(1) as pool:
        busy = threads.submit(pool.decode, request_for(stuck.path))
        stuck.wait_for_reader()
        waiting = threads.submit(pool.decode, request_for(picture), cancellation)
        cancellation.cancel()
        with pytest.raises(CancelledError):
            waiting.result(60)
        assert not busy.done()
        stuck.release()
        with pytest.raises(MediaError):
            busy.result(60)


def test_closing_ends_what_runs_and_what_waits(stuck: StuckFile, picture: Path, request_for: Requests) -> None:
    pool = DecodePool(1)
    with ThreadPoolExecutor(2) as threads:
        busy = threads.submit(pool.decode, request_for(stuck.path))
        stuck.wait_for_reader()
        waiting = threads.submit(pool.decode, request_for(picture))
        process_ids = pool.process_ids()
        pool.close()
        for future in (busy, waiting):
            with pytest.raises(CancelledError, match="pool is closed"):
                future.result(60)
    assert process_ids
    assert not any(alive(process_id) for process_id in process_ids)
    with pytest.raises(CancelledError):
        pool.decode(request_for(picture))


def test_decoders_are_replaced_after_their_share_of_files(picture: Path, request_for: Requests) -> None:
    with DecodePool(1, files_per_process=3) as pool:
        used = set()
        for _ in range(7):
            pool.decode(request_for(picture))
            used.update(pool.process_ids())
        assert len(used) >= 2


def test_a_file_that_needs_too_much_memory_gets_an_error_and_not_the_memory(
    shared_pool: DecodePool, tmp_path: Path, picture: Path, request_for: Requests
) -> None:
    path = tmp_path / "large.bmp"
    header = Image.new("RGB", (1, 1))
    header.save(path)
    with path.open("r+b") as file:
        # 400 MB of pixels in a file without them on disk.
        file.seek(18)
        file.write((12_000).to_bytes(4, "little") * 2)
        file.truncate(54 + 12_000 * 12_000 * 3)
    limits = DecodeLimits(max_pixels=200_000_000, memory_bytes=300 * 2**20)
    with pytest.raises(MediaTooLargeError, match=r"s3://b/k: needs more than 300 MB"):
        shared_pool.decode(request_for(path, name="s3://b/k", limits=limits))
    assert len(shared_pool.decode(request_for(picture)).tiles) == 1


def test_a_bomb_is_refused_inside_the_sandbox(shared_pool: DecodePool, tmp_path: Path, request_for: Requests) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header_of(60_000, 60_000))
    with pytest.raises(MediaTooLargeError):
        shared_pool.decode(request_for(path))


def test_hundreds_of_files_leave_no_descriptor_and_no_memory_map(
    shared_pool: DecodePool, picture: Path, request_for: Requests
) -> None:
    def held() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), Path("/proc/self/maps").read_text().count("memfd:tiles")

    shared_pool.decode(request_for(picture))
    before = held()
    for _ in range(200):
        shared_pool.decode(request_for(picture))
    assert held() == before


def test_killed_decoders_leave_no_descriptor_and_no_zombie(picture: Path, request_for: Requests) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with DecodePool(1) as pool:
        for _ in range(3):
            pool.decode(request_for(picture))
            kill_the_decoder(pool)
        pool.decode(request_for(picture))
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
    assert not zombies()


def test_the_decoder_has_no_credentials_no_gpu_and_no_way_to_the_network(
    picture: Path, request_for: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("REELMILL_DATABASE_URL", "secret")
    with DecodePool(1) as pool:
        pool.decode(request_for(picture))
        (process_id,) = pool.process_ids()
        environment = Path(f"/proc/{process_id}/environ").read_text()
        assert "secret" not in environment
        assert "CUDA_VISIBLE_DEVICES=\0" in environment
        assert "NoNewPrivs:\t1" in Path(f"/proc/{process_id}/status").read_text()
        if may_unshare_network():
            assert os.readlink(f"/proc/{process_id}/ns/net") != os.readlink("/proc/self/ns/net")


def test_an_image_is_decoded_without_video_libraries_or_torch(picture: Path, request_for: Requests) -> None:
    with DecodePool(1) as pool:
        pool.decode(request_for(picture))
        mapped = Path(f"/proc/{pool.process_ids()[0]}/maps").read_text()
    assert not [name for name in ("libtorch", "decord", "libavcodec") if name in mapped]


def test_fast_resize_works_in_the_sandbox(shared_pool: DecodePool, picture: Path, request_for: Requests) -> None:
    request = request_for(picture, tiling=TilingSpec(56, 6, resize="fast"))
    np.testing.assert_array_equal(shared_pool.decode(request).tiles, extract(request).tiles)


def test_decoders_die_with_their_parent_even_in_the_middle_of_a_file(stuck: StuckFile, tmp_path: Path) -> None:
    script = """
import sys
from pipelines.media.decode import DecodePool
from pipelines.media.types import DecodeRequest, TilingSpec
from reelmill.schema.tasks import Sampling
import threading
pool = DecodePool(2)
threading.Thread(target=pool.decode, args=(DecodeRequest(sys.argv[1], "x", Sampling(), TilingSpec(56, 1)),)).start()
import time
while len(pool.process_ids()) < 2:
    time.sleep(0.05)
print(*pool.process_ids(), flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script, str(stuck.path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(number) for number in parent.stdout.readline().split()]
        stuck.wait_for_reader()
        assert len(children) == 2
        assert all(alive(child) for child in children)
        parent.kill()
    eventually(lambda: not any(alive(child) for child in children))


def test_a_decoder_that_cannot_start_is_no_fault_of_the_file(
    picture: Path, request_for: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_process.sys, "executable", "/bin/false")
    with DecodePool(1) as pool, pytest.raises(DecoderUnavailableError, match="exit status 1") as raised:
        pool.decode(request_for(picture))
    assert raised.value.transient
    monkeypatch.setattr(decoder_process.sys, "executable", "/nonexistent/python")
    with DecodePool(1) as pool, pytest.raises(DecoderUnavailableError, match="could be started"):
        pool.decode(request_for(picture))


def kill_the_decoder(pool: DecodePool) -> int:
    (process_id,) = pool.process_ids()
    os.kill(process_id, signal.SIGKILL)
    eventually(lambda: not alive(process_id))
    return process_id


def zombies() -> list[str]:
    children = Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text().split()
    return [child for child in children if not alive(int(child))]


def may_unshare_network() -> bool:
    return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


def test_a_video_gets_the_cores_that_no_other_decoder_uses(
    monkeypatch: pytest.MonkeyPatch, stuck: StuckFile, picture: Path, request_for: Requests
) -> None:
    threads = {}
    decode = decoder_process.DecoderProcess.decode

    def seen(self: decoder_process.DecoderProcess, request: DecodeRequest, cancellation: Cancellation | None) -> object:
        threads[Path(request.path).name] = request.limits.threads
        return decode(self, request, cancellation)

    monkeypatch.setattr(decoder_process.DecoderProcess, "decode", seen)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    with DecodePool(2) as pool, ThreadPoolExecutor(1) as other:
        hanging = other.submit(pool.decode, request_for(stuck.path))
        stuck.wait_for_reader()
        pool.decode(request_for(picture))
        stuck.release()
        with pytest.raises(MediaError):
            hanging.result()
    assert threads == {"stuck.mp4": 6, "picture.png": 3}
