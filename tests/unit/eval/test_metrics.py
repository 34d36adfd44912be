"""Metrics and intervals say what they promise."""

from __future__ import annotations

import random

import pytest
from sacrebleu import corpus_bleu

from reelmill.eval.answers import anls, edit_distance, normalise_answer, same_answer, same_text
from reelmill.eval.intervals import Interval, bootstrap, holm, mcnemar, wilson
from reelmill.eval.overlap import iou, match_boxes
from reelmill.eval.refcoco import refcoco_box, refcoco_prompt
from reelmill.eval.wording import wording_scores


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


@pytest.mark.parametrize(
    ("said", "normal"),
    [
        ("The Red circle.", "red circle"),
        ("Two", "2"),
        ("None.", "0"),
        ("1,000 people", "1000 people"),
        ("it costs 3.50.", "it costs 3.50"),
        ("don't", "dont"),
        ("left-hand", "left hand"),
        ("a yes!", "yes"),
        ("两个。", "两个"),
        ("Ｔｗｏ", "2"),
        ("10:30", "10:30"),
    ],
)
def test_answers_are_normalised_as_vqa_does(said: str, normal: str) -> None:
    assert normalise_answer(said) == normal


def test_any_of_several_truths_is_right_and_nothing_else() -> None:
    assert same_answer(["sofa", "couch"], "The couch.")
    assert not same_answer(["0"], "10")
    assert not same_answer(["no"], "yes")
    assert same_text(["A red circle."], " A red circle.\n")
    assert not same_text(["A red circle."], "a red circle.")


def test_reading_is_worth_less_with_every_wrong_letter_and_nothing_from_half_on() -> None:
    assert edit_distance("kitten", "sitting") == 3
    assert anls(["STOP"], "stop") == 1.0
    assert anls(["stop"], "step") == 0.75
    assert anls(["stop"], "slap") == 0.0
    assert anls(["halt", "stop"], "stop") == 1.0
    assert anls(["stop"], "") == 0.0


@pytest.mark.parametrize(
    ("answer", "box"),
    [
        ("<ref>a</ref><box>[[100, 200, 300, 400]]</box>", (64, 72, 192, 144)),
        ("[[100,200,300,400],[0,0,9,9]]", (64, 72, 192, 144)),
        ("[0.1, 0.2, 0.3, 0.4]", (64, 72, 192, 144)),
        ("[[100, 200, 300]]", (0, 0, 0, 0)),
        ("[see] [[100, 200, 300, 400]]", (0, 0, 0, 0)),
        ("[nan, 200, 300, 400]", (0, 0, 0, 0)),
        ("nothing", (0, 0, 0, 0)),
    ],
)
def test_a_referred_region_is_read_as_the_published_evaluation_does(answer: str, box: tuple[float, ...]) -> None:
    assert refcoco_box(answer, 640, 360) == pytest.approx(box)


def test_the_question_for_a_region_is_that_of_the_published_evaluation() -> None:
    asked = "Please provide the bounding box coordinate of the region this sentence describes: <ref>the cat</ref>"
    assert refcoco_prompt("the cat") == asked


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    assert wilson(81, 263).low == pytest.approx(0.2553, abs=1e-4)
    assert wilson(81, 263).high == pytest.approx(0.3662, abs=1e-4)
    assert wilson(0, 10).low == pytest.approx(0.0)
    assert wilson(10, 10).high == pytest.approx(1.0)
    assert wilson(0, 0) == Interval(0.0, 1.0)


def test_the_bootstrap_holds_the_mean_and_is_wider_where_values_hang_together() -> None:
    rng = random.Random(3)
    values = [rng.random() for _ in range(400)]
    alone = bootstrap([[value] for value in values])
    together = bootstrap([[value] * 10 for value in values[:40]])
    assert alone.low < sum(values) / 400 < alone.high
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert bootstrap([[value] for value in values]) == alone


def test_mcnemar_is_exact_for_few_and_agrees_with_itself_for_many() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(1, 9) == pytest.approx(0.021484375)
    assert mcnemar(3, 3) == 1.0
    assert mcnemar(450, 550) == pytest.approx(mcnemar(450, 551), abs=4e-4)


def test_many_questions_at_once_need_smaller_p_values() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_captions_are_compared_by_their_words_in_english_and_chinese() -> None:
    bleu, chrf = wording_scores(["a red circle on the left"] * 3, [["a red circle on the left", "a dog"]] * 3)
    assert (bleu.metric, chrf.metric) == ("captions_bleu", "captions_chrf")
    assert (bleu.value, chrf.value, bleu.count) == (pytest.approx(1.0), pytest.approx(1.0), 3)
    worse, _ = wording_scores(["左边有一个红色的圆形"], [["左边有一个蓝色的圆形"]])
    assert 0.3 < worse.value < 0.9
    assert wording_scores([], []) == ()


def test_bleu_of_the_whole_is_that_of_sacrebleu_and_silence_is_no_error() -> None:
    said, truths = ["a red cat on a mat", "two dogs", ""], [["a red cat on the mat"], ["two dogs run"], ["a cow"]]
    bleu, chrf = wording_scores(said, truths)
    assert bleu.value == pytest.approx(corpus_bleu(said, [[truth[0] for truth in truths]]).score / 100)
    assert bleu.low <= bleu.value <= bleu.high
    assert chrf.low < chrf.value < chrf.high
