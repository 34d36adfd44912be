"""Scores say what they promise."""

from __future__ import annotations

import pytest

from demo.score import Tally, iou, match_boxes, normalise_answer, parse_boxes, same_answer, same_caption


def test_overlap_of_boxes() -> None:
    assert iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0
    assert iou((0, 0, 10, 10), (8, 8, 2, 2)) == 0.0


def test_every_true_box_gets_the_best_found_box_once() -> None:
    truth = [(0, 0, 10, 10), (20, 0, 30, 10)]
    assert match_boxes(truth, [(20, 0, 30, 10), (0, 0, 10, 10)]) == [1.0, 1.0]
    assert match_boxes(truth, [(0, 0, 10, 10)]) == [1.0, 0.0]
    assert match_boxes(truth, []) == [0.0, 0.0]


def test_boxes_are_read_from_an_answer() -> None:
    assert parse_boxes("<ref>a</ref><box>[[1, 2, 3, 4], [5,6,7,8]]</box>") == [(1, 2, 3, 4), (5, 6, 7, 8)]
    assert parse_boxes("<ref>a</ref><box>[[1, 2, 3]]</box>") == []


def test_answers_are_compared_without_articles_case_and_full_stop() -> None:
    assert normalise_answer("The Red circle.") == "red circle"
    assert same_answer("2", "Two.")
    assert not same_answer("no", "yes")
    assert not same_answer("0", "10")


def test_captions_must_be_exactly_right() -> None:
    assert same_caption("A red circle.", " A red circle.\n")
    assert not same_caption("A red circle.", "a red circle.")


def test_a_tally_gives_shares_by_name() -> None:
    tally = Tally()
    tally.caption("A red circle.", "A red circle.")
    tally.caption("A red circle.", "A blue circle.")
    tally.answer("2", "2", "counts")
    tally.boxes([(0, 0, 10, 10), (20, 0, 30, 10)], [(0, 0, 10, 9)])
    scores = tally.scores()
    assert scores["captions_exact"] == 0.5
    assert scores["counts"] == 1.0
    assert scores["boxes_iou50"] == 0.5
    assert scores["boxes_mean_iou"] == pytest.approx(0.45)
    assert tally.counts()["boxes_iou50"] == 2
