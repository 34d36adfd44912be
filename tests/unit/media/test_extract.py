"""Whole files to tiles, in this process: what the published loader makes of them, and the limits."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from media.synthesis import number_of
from pipelines.errors import BoundOutsideMediaError, MediaTooLargeError
from pipelines.media.extract import extract
from pipelines.media.probe import open_reader
from pipelines.media.tiling import Size
from pipelines.media.types import DecodeLimits, DecodeRequest, Frame, TilingSpec

Requests = Callable[..., DecodeRequest]


def test_golden_videos_give_the_published_pixel_values_exactly(golden: Path, request_for: Requests) -> None:
    values = load_file(golden / "media" / "golden_video.safetensors")
    cases = json.loads((golden / "media" / "golden_video.json").read_text())["cases"]
    assert cases
    for name, case in cases.items():
        bound = case["bound"] and tuple(case["bound"])
        tiling = TilingSpec(case["input_size"], 12, case["max_num"])
        request = request_for(
            golden / "media" / "clip.mp4", tiling=tiling, bound=bound, num_segments=case["num_segments"]
        )
        media = extract(request)
        (segment,) = media.segments
        assert [frame.tile_count for frame in segment.frames] == case["num_patches_list"]
        if "frame_indices" in case:
            assert [frame.index for frame in segment.frames] == case["frame_indices"]
        np.testing.assert_array_equal(media.tiles, values[f"pixel_values.{name}"], err_msg=name)


@pytest.mark.parametrize("size", [56, 112])
def test_golden_pngs_give_the_published_pixel_values_exactly(golden: Path, request_for: Requests, size: int) -> None:
    values = load_file(golden / "inputs" / f"pixel_values_{size}_max6.safetensors")
    names = [name for name in values if (golden / "inputs" / f"{name}.png").exists()]
    assert names
    for name in names:
        media = extract(request_for(golden / "inputs" / f"{name}.png", tiling=TilingSpec(size, 6)))
        np.testing.assert_array_equal(media.tiles, values[name], err_msg=name)


def test_a_golden_jpeg_is_at_most_one_level_off(golden: Path, request_for: Requests) -> None:
    values = load_file(golden / "inputs" / "pixel_values_56_max6.safetensors")
    media = extract(request_for(golden / "inputs" / "img3_cmyk.jpg", tiling=TilingSpec(56, 6)))
    assert np.abs(media.tiles.astype(int) - values["img3_cmyk"]).max() <= 1


def test_a_picture_turned_by_exif_is_tiled_upright(golden: Path, request_for: Requests) -> None:
    media = extract(request_for(golden / "inputs" / "img4_exif_rot.jpg", tiling=TilingSpec(56, 6)))
    assert (media.info.width, media.info.height) == (140, 240)
    assert media.segments[0].frames == (Frame(0, None, len(media.tiles)),)


def test_windows_have_their_own_frames_and_tiles(clip: Callable[[str], Path], request_for: Requests) -> None:
    request = request_for(clip("h264.mp4"), tiling=TilingSpec(96, 1), window_s=0.5, num_segments=2)
    media = extract(request)
    assert [(segment.start_s, segment.end_s) for segment in media.segments] == [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2)]
    frames = [frame for segment in media.segments for frame in segment.frames]
    assert [number_of(tile) for tile in media.tiles] == [frame.index for frame in frames]
    assert [frame.timestamp_s for frame in frames] == pytest.approx([frame.index / 24 for frame in frames])


def test_windows_that_are_done_are_neither_decoded_nor_renumbered(
    clip: Callable[[str], Path], request_for: Requests
) -> None:
    asked = request_for(clip("h264.mp4"), tiling=TilingSpec(96, 1), num_segments=2, window_s=0.5)
    whole, rest = extract(asked), extract(replace(asked, done=frozenset({0})))
    assert rest.segments == whole.segments[1:]
    np.testing.assert_array_equal(rest.tiles, whole.tiles[-len(rest.tiles) :])


def test_a_short_video_repeats_its_frames(clip: Callable[[str], Path], request_for: Requests) -> None:
    media = extract(request_for(clip("one_frame.mp4"), tiling=TilingSpec(96, 1), num_segments=4))
    assert [frame.index for frame in media.segments[0].frames] == [0, 0, 0, 0]
    assert all(np.array_equal(tile, media.tiles[0]) for tile in media.tiles)
    assert media.tiles[0].any()


def test_a_bound_behind_the_end_names_the_media(clip: Callable[[str], Path], request_for: Requests) -> None:
    with pytest.raises(BoundOutsideMediaError, match=r"s3://bucket/h264\.mp4: the bound starts at 7 s"):
        extract(request_for(clip("h264.mp4"), bound=(7.0, 8.0)))


def test_tiles_that_would_not_fit_into_memory_are_refused_beforehand(
    clip: Callable[[str], Path], request_for: Requests
) -> None:
    limits = DecodeLimits(memory_bytes=20 * 56 * 56 * 3)
    with pytest.raises(MediaTooLargeError, match="21 frames would be read"):
        extract(request_for(clip("h264.mp4"), limits=limits, num_segments=21))
    with pytest.raises(MediaTooLargeError, match="its tiles take"):
        extract(request_for(clip("h264.mp4"), limits=DecodeLimits(memory_bytes=1)))


def photo(width: int, height: int) -> Image.Image:
    """Detail at every scale, in three bands that differ."""
    bands = [Image.effect_noise((width // 16, height // 16), 70 + 20 * band) for band in range(3)]
    return Image.merge("RGB", bands).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_fast_jpeg_is_scaled_as_it_is_decoded_and_stays_near_the_exact_one(
    tmp_path: Path, request_for: Requests, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo(2400, 1600).save(tmp_path / "photo.jpg", quality=90, exif=exif)
    spec = TilingSpec(112, 12)
    exact = extract(request_for(tmp_path / "photo.jpg", tiling=spec))
    fast = extract(request_for(tmp_path / "photo.jpg", tiling=replace(spec, resize="fast")))
    assert (fast.info, fast.segments) == (exact.info, exact.segments)
    difference = np.abs(fast.tiles.astype(np.int16) - exact.tiles)
    assert 0 < difference.max() <= 8
    assert difference.mean() < 1
    with open_reader(str(tmp_path / "photo.jpg"), "photo", DecodeLimits()) as reader:
        (shrunk,) = reader.read([0], at_least=Size(reader.info.width // 3, reader.info.height // 3))
        assert shrunk.picture.size == (reader.info.width // 2, reader.info.height // 2)


def test_an_exact_picture_is_decoded_at_its_own_size(tmp_path: Path) -> None:
    photo(800, 600).save(tmp_path / "photo.jpg")
    with open_reader(str(tmp_path / "photo.jpg"), "photo", DecodeLimits()) as reader:
        (whole,) = reader.read([0])
        assert whole.picture.size == (800, 600)
