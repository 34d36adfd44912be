"""Scenes: a video is cut where its picture changes at once, and each shot is sampled on its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from media.byte_ranges import MemoryRanges
from media.synthesis import number_of
from pipelines.errors import MediaTooLargeError, ScenesUnavailableError, WholeFileNeededError
from pipelines.media.cuts import Cut
from pipelines.media.decode import DecodePool
from pipelines.media.extract import extract
from pipelines.media.sampling import plan_scenes
from pipelines.media.types import DecodedMedia, DecodeLimits, DecodeRequest, MediaInfo, TilingSpec
from reelmill.schema.tasks import Sampling

Requests = Callable[..., DecodeRequest]
FPS = 24
RED, GREEN, BLUE, WHITE = (200, 20, 20), (20, 180, 30), (30, 30, 220), (240, 240, 240)
Shots = Sequence[tuple[tuple[int, int, int], int]]
FOUR: Shots = ((RED, 48), (GREEN, 36), (WHITE, 60), (BLUE, 30))


def frames_of(shots: Shots) -> list[np.ndarray]:
    """A bright square moves over a background that stays as it is within a shot."""
    frames = []
    for colour, count in shots:
        for number in range(count):
            frame = np.full((96, 160, 3), colour, np.uint8)
            frame[30:60, 10 + number : 40 + number] = 128
            frames.append(frame)
    return frames


def film(path: Path, shots: Shots, rotation_deg: int = 0) -> Path:
    with av.open(str(path), "w") as container:
        # No scene cut keyframes: cuts are found in the pictures, not in how they are coded.
        stream = container.add_stream("libx264", rate=FPS, options={"g": "40", "bf": "2", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        for pixels in frames_of(shots):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return path


def spans(media: DecodedMedia) -> list[tuple[float, float]]:
    return [(round((s.start_s or 0) * FPS), round((s.end_s or 0) * FPS)) for s in media.segments]


def colours(media: DecodedMedia) -> list[set[str]]:
    """Of each segment the backgrounds that its frames show, as the nearest of the four."""
    known = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    tiles, seen = iter(media.tiles), []
    for segment in media.segments:
        corners = [next(tiles)[2, 2].astype(int) for _ in segment.frames]
        seen.append({min(known, key=lambda name: int(np.abs(corner - known[name]).sum())) for corner in corners})
    return seen


SMALL = TilingSpec(56, 1)


def test_every_shot_is_a_segment_with_frames_of_its_own_alone(tmp_path: Path, request_for: Requests) -> None:
    path = film(tmp_path / "a.mp4", FOUR)
    for num_segments in (1, 3, 40):
        media = extract(request_for(path, tiling=SMALL, scenes=True, num_segments=num_segments))
        assert spans(media) == [(0, 48), (48, 84), (84, 144), (144, 174)]
        assert colours(media) == [{"red"}, {"green"}, {"white"}, {"blue"}]
        assert [segment.ordinal for segment in media.segments] == [0, 1, 2, 3]
        assert {len(segment.frames) for segment in media.segments} == {num_segments}


def test_a_video_without_cuts_is_one_scene_with_the_frames_of_the_whole(
    clip: Callable[[str], Path], request_for: Requests
) -> None:
    tiling = TilingSpec(96, 1)
    whole = extract(request_for(clip("h264.mp4"), tiling=tiling, num_segments=5))
    scenes = extract(request_for(clip("h264.mp4"), tiling=tiling, num_segments=5, scenes=True))
    assert scenes.segments == whole.segments
    assert [number_of(tile) for tile in scenes.tiles] == [frame.index for frame in whole.segments[0].frames]


def test_shots_shorter_than_the_shortest_scene_belong_to_a_neighbour(tmp_path: Path, request_for: Requests) -> None:
    shots = ((RED, 48), (GREEN, 6), (WHITE, 48), (BLUE, 6))
    path = film(tmp_path / "a.mp4", shots)
    media = extract(request_for(path, tiling=SMALL, scenes=True))
    assert len(media.segments) == 2
    assert spans(media)[-1][1] == 108
    assert all(end - start >= FPS for start, end in spans(media))
    every = extract(request_for(path, tiling=SMALL, scenes=True, min_scene_s=0.1))
    assert spans(every) == [(0, 48), (48, 54), (54, 102), (102, 108)]
    short_end = film(tmp_path / "b.mp4", ((RED, 48), (BLUE, 6)))
    assert spans(extract(request_for(short_end, tiling=SMALL, scenes=True))) == [(0, 54)]


def test_scenes_lie_within_the_bound(tmp_path: Path, request_for: Requests) -> None:
    path = film(tmp_path / "a.mp4", FOUR)
    media = extract(request_for(path, tiling=SMALL, scenes=True, bound=(2.5, 5.0), num_segments=2))
    assert spans(media) == [(60, 84), (84, 120)]
    assert colours(media) == [{"green"}, {"white"}]


def test_scenes_that_are_known_already_are_left_out_and_the_others_keep_their_numbers(
    tmp_path: Path, request_for: Requests
) -> None:
    request = replace(request_for(film(tmp_path / "a.mp4", FOUR), tiling=SMALL, scenes=True), done=frozenset({0, 2}))
    media = extract(request)
    assert [segment.ordinal for segment in media.segments] == [1, 3]
    assert colours(media) == [{"green"}, {"blue"}]


def test_an_animation_a_rotated_video_and_what_decord_reads_are_cut_alike(
    tmp_path: Path, request_for: Requests
) -> None:
    pictures = [Image.fromarray(frame) for frame in frames_of(FOUR)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=40, loop=0)
    animation = extract(request_for(tmp_path / "a.gif", tiling=SMALL, scenes=True))
    assert [round(segment.start_s or 0, 2) for segment in animation.segments] == [0, 1.92, 3.36, 5.76]
    for rotation in (0, 90, 180):
        request = request_for(film(tmp_path / f"{rotation}.mp4", FOUR, rotation), tiling=SMALL, scenes=True)
        for library in ("av", "decord"):
            media = extract(replace(request, video_library=library))
            assert spans(media) == [(0, 48), (48, 84), (84, 144), (144, 174)]
            assert colours(media) == [{"red"}, {"green"}, {"white"}, {"blue"}]


def test_an_image_is_one_segment_however_videos_are_cut(golden: Path, request_for: Requests) -> None:
    media = extract(request_for(golden / "inputs" / "img4_exif_rot.jpg", tiling=TilingSpec(56, 6), scenes=True))
    assert [segment.ordinal for segment in media.segments] == [0]


def test_too_many_scenes_are_an_error_that_says_what_to_do(tmp_path: Path, request_for: Requests) -> None:
    request = request_for(film(tmp_path / "a.mp4", FOUR), tiling=SMALL, scenes=True, num_segments=2)
    three_scenes = DecodeLimits(max_frames=200, memory_bytes=3 * 2 * 56 * 56 * 3)
    with pytest.raises(MediaTooLargeError, match=r"more than 3 scenes.*min_scene_s"):
        extract(replace(request, limits=three_scenes))
    four_scenes = replace(three_scenes, memory_bytes=4 * 2 * 56 * 56 * 3)
    assert len(extract(replace(request, limits=four_scenes)).segments) == 4


def test_a_damaged_video_is_cut_too_and_its_damage_counted_once(tmp_path: Path, request_for: Requests) -> None:
    content = bytearray(film(tmp_path / "a.mp4", FOUR).read_bytes())
    payload = content.index(b"mdat") + 4
    content[payload + 2000 : payload + 2200] = bytes(200)
    (tmp_path / "damaged.mp4").write_bytes(content)
    sampled = {"tiling": SMALL, "num_segments": 174}
    whole = extract(request_for(tmp_path / "damaged.mp4", **sampled))
    scenes = extract(request_for(tmp_path / "damaged.mp4", scenes=True, **{**sampled, "num_segments": 60}))
    assert 0 < scenes.decode_errors <= whole.decode_errors
    assert len(scenes.segments) >= 3


def test_the_sandbox_finds_scenes_and_says_what_it_lacks(
    tmp_path: Path, request_for: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(film(tmp_path / "a.mp4", FOUR), tiling=SMALL, scenes=True)
    with DecodePool(1) as decoders:
        assert colours(decoders.decode(request)) == [{"red"}, {"green"}, {"white"}, {"blue"}]
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "scenedetect.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    with DecodePool(1) as decoders:
        with pytest.raises(ScenesUnavailableError, match=r"not here.*reelmill\[scenes\]") as raised:
            decoders.decode(request)
        assert raised.value.transient, "another worker may have it"
        assert len(decoders.decode(request_for(tmp_path / "a.mp4", tiling=SMALL)).segments) == 1


def test_a_file_that_would_be_read_by_ranges_is_wanted_whole(tmp_path: Path, request_for: Requests) -> None:
    path = film(tmp_path / "a.mp4", FOUR)
    with pytest.raises(WholeFileNeededError):
        extract(replace(request_for(path, tiling=SMALL, scenes=True), ranges=MemoryRanges(path.read_bytes())))


def test_frames_of_a_scene_never_lie_in_the_next_one_whatever_the_rate() -> None:
    for fps in (5.0, 23.976, 29.97, 120.0):
        info = MediaInfo("video", "mp4", "h264", 64, 64, 300, 300 / fps, fps)
        cuts = [Cut(index, index / fps) for index in (1, 2, 7, 100, 299)]
        for num_segments in (1, 2, 8, 64):
            scenes = plan_scenes(info, Sampling(scenes=True, num_segments=num_segments), "x", cuts)
            edges = [0, 1, 2, 7, 100, 299, 300]
            for scene, first, after in zip(scenes, edges, edges[1:], strict=False):
                assert all(first <= index < after for index in scene.indices), (fps, num_segments, scene)
                assert sorted(scene.indices) == list(scene.indices)


def test_no_torch_comes_with_the_extra() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import scenedetect.detectors, cv2, sys; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "False"
