"""Frames with what was found on them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reelmill.errors import SpecError
from reelmill.schema import FrameRef, GroundingResult, SegmentResult
from tests.unit.door.samples import CAT, job_results, stored, words


def test_each_sampled_frame_is_there_once_in_order_with_its_boxes() -> None:
    first, second = job_results().frames
    assert (first.uri, first.index, first.timestamp_s) == ("s3://archive/a.mp4", 3, 0.125)
    assert [box.label for box in first.boxes] == ["cat", "the cat"]
    assert (second.index, second.timestamp_s, second.boxes) == (9, 0.375, ())


def test_boxes_lie_on_the_image_they_were_found_in() -> None:
    both = (FrameRef(0, 0, None, 1), FrameRef(1, 0, None, 1))
    found = replace(
        job_results(media=(stored("s3://a/1"), stored("s3://a/2", 1))),
        segments=(SegmentResult(0, None, None, both),),
        groundings=(GroundingResult(0, 0, 0, "cat", both[1], "found", words(""), (CAT,)),),
    )
    assert [(frame.uri, len(frame.boxes), frame.timestamp_s) for frame in found.frames] == [
        ("s3://a/1", 0, None),
        ("s3://a/2", 1, None),
    ]


def test_drawing_a_frame_that_is_not_there_says_how_many_there_are() -> None:
    with pytest.raises(SpecError, match=r"frame 2.*2 frames"):
        job_results().draw(2)
