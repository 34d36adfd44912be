import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import BoundOutsideMediaError, MediaTooLargeError
from pipelines.media.sampling import get_index, plan_segments
from pipelines.media.types import MediaInfo
from reelmill.schema.tasks import Sampling

MANY = 10_000_000


def video(frame_count: int = 240, fps: float = 24.0, duration_s: float | None = None) -> MediaInfo:
    return MediaInfo("video", "mp4", "h264", 64, 64, frame_count, duration_s or frame_count / fps, fps)


def test_indices_equal_the_published_function_in_every_recorded_row(golden: Path) -> None:
    rows = json.loads((golden / "media" / "golden_get_index.json").read_text())["rows"]
    assert rows
    for row in rows:
        bound = None if row["bound"] is None else tuple(row["bound"])
        indices = get_index(bound, row["fps"], row["max_frame"], row["first_idx"], row["num_segments"])
        assert indices.dtype == np.dtype(row["dtype"])
        assert indices.tolist() == row["result"], row


def test_an_image_is_one_frame_whatever_the_sampling() -> None:
    info = MediaInfo("image", "png", None, 5, 5, 1, None, None)
    (segment,) = plan_segments(info, Sampling(num_segments=8, window_s=1), "x", MANY)
    assert (segment.indices, segment.start_s, segment.end_s) == ((0,), None, None)


def test_a_whole_video_is_one_segment_from_start_to_end() -> None:
    (segment,) = plan_segments(video(), Sampling(num_segments=4), "x", MANY)
    assert (segment.start_s, segment.end_s) == (0.0, 10.0)
    assert list(segment.indices) == get_index(None, 24.0, 239, 0, 4).tolist()


def test_a_bound_that_reaches_past_the_end_is_cut_there() -> None:
    (segment,) = plan_segments(video(), Sampling(num_segments=4, bound=(5.0, 500.0)), "x", MANY)
    assert (segment.start_s, segment.end_s) == (5.0, 10.0)
    assert list(segment.indices) == get_index((5.0, 500.0), 24.0, 239, 0, 4).tolist()


@pytest.mark.parametrize("bound", [(10.0, 11.0), (500.0, 501.0)])
def test_a_bound_that_starts_after_the_end_is_an_error_with_both_times(bound: tuple[float, float]) -> None:
    with pytest.raises(BoundOutsideMediaError, match=rf"s3://b/v: the bound starts at {bound[0]:g} s.*ends at 10"):
        plan_segments(video(), Sampling(bound=bound), "s3://b/v", MANY)


def test_windows_lie_side_by_side_and_cover_the_bound() -> None:
    segments = plan_segments(video(), Sampling(num_segments=2, window_s=3, bound=(1.0, 9.0)), "x", MANY)
    assert [(s.ordinal, s.start_s, s.end_s) for s in segments] == [(0, 1.0, 4.0), (1, 4.0, 7.0), (2, 7.0, 9.0)]
    assert list(segments[1].indices) == get_index((4.0, 7.0), 24.0, 239, 0, 2).tolist()


def test_no_window_is_made_of_a_rest_shorter_than_a_frame() -> None:
    segments = plan_segments(video(duration_s=10.02), Sampling(window_s=5), "x", MANY)
    assert [segment.end_s for segment in segments] == [5.0, 10.02]


def test_too_many_windows_are_refused_before_they_are_listed() -> None:
    with pytest.raises(MediaTooLargeError, match="frames would be read"):
        plan_segments(video(), Sampling(window_s=1e-9), "x", MANY)


@settings(max_examples=60, deadline=None)
@given(
    frame_count=st.integers(1, 2000),
    fps=st.floats(5, 120),
    num_segments=st.integers(1, 32),
    window_s=st.none() | st.floats(0.5, 50),
    bound=st.none() | st.tuples(st.floats(0, 100), st.floats(0.01, 100)),
)
def test_planned_frames_lie_in_the_video_and_never_go_back(
    frame_count: int, fps: float, num_segments: int, window_s: float | None, bound: tuple[float, float] | None
) -> None:
    interval = None if bound is None else (bound[0], bound[0] + bound[1])
    sampling = Sampling(num_segments=num_segments, window_s=window_s, bound=interval)
    try:
        segments = plan_segments(video(frame_count, fps), sampling, "x", MANY)
    except BoundOutsideMediaError:
        return
    indices = [index for segment in segments for index in segment.indices]
    assert indices == sorted(indices)
    assert all(0 <= index < frame_count for index in indices)
    assert all(len(segment.indices) == num_segments for segment in segments)
