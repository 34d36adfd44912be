"""What counts as a box, and what does not."""

import pytest

from pipelines.analytics.boxes import MalformedBoxesError, RawBox, parse_boxes


def test_a_marked_answer_becomes_its_box_with_its_own_label() -> None:
    text = "<ref>the red circle</ref><box>[[100, 200, 300, 400]]</box><|im_end|>"
    assert parse_boxes(text, "a circle") == (RawBox("the red circle", 100, 200, 300, 400),)


def test_several_boxes_and_several_refs_keep_their_order() -> None:
    text = "<ref>a</ref><box>[[1, 2, 3, 4], [5, 6, 7, 8]]</box> and <ref>b</ref><box>[[9,9,10,10]]</box>"
    assert [(box.label, box.x1) for box in parse_boxes(text, "x")] == [("a", 1), ("a", 5), ("b", 9)]


def test_boxes_without_markers_take_the_phrase_as_label() -> None:
    assert parse_boxes("the dog[[10, 20, 30, 40]]", "the dog") == (RawBox("the dog", 10, 20, 30, 40),)


@pytest.mark.parametrize("text", ["There is no dog.", "<ref>dog</ref><box>[]</box>", "<box>[[]]</box>", ""])
def test_an_answer_that_names_no_box_is_empty(text: str) -> None:
    assert parse_boxes(text, "dog") == ()


@pytest.mark.parametrize(
    "text",
    [
        "<ref>dog</ref><box>[[1, 2, 3]]</box>",
        "<box>[[1, 2, 3, 4, 5]]</box>",
        "<box>[[1, 2, x, 4]]</box>",
        "<box>[[300, 2, 100, 4]]</box>",
        "<box>[[1, 2, 1, 4]]</box>",
        "<box>[[0, 0, 1001, 5]]</box>",
        "<box>[[-1, 0, 10, 5]]</box>",
        "<box>[[nan, 0, 10, 5]]</box>",
        "<box>[[1, 2, 3, 4], [5, 6",
        "<box>[[1, 2, 3, 4]]</box><box>[[5, 6",
        "<box>somewhere on the left</box>",
        "[[1, 2, 3",
    ],
)
def test_a_malformed_answer_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(MalformedBoxesError):
        parse_boxes(text, "dog")


def test_source_pixels_follow_the_size_of_the_upright_source() -> None:
    box = RawBox("x", 0, 250, 500, 1000).in_source(width=1920, height=1080)
    assert (box.x1_px, box.y1_px, box.x2_px, box.y2_px) == (0, 270, 960, 1080)
