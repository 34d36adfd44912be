"""Rows beside the truth: what is right, what counts for which score, and what was never answered."""

from __future__ import annotations

import pytest

from reelmill.eval.drift import compare, conclusion
from reelmill.eval.judge import judge
from reelmill.eval.observed import observed
from reelmill.eval.refcoco import refcoco_prompt
from reelmill.eval.scores import headline, scores, slices
from reelmill.eval.truth import LabelledMedia, Track, TrackPoint, TrueAnswer, TrueBoxes, TrueCaption, TrueRegion
from reelmill.eval.verdict import Verdict
from tests.unit.eval.rows import answer, caption, grounding, results

URI = "file:///a.png"
ONE = Track((TrackPoint(0, (0, 0, 100, 100)),))
TWO = Track((TrackPoint(0, (200, 0, 300, 100)),))


def judged(media_tasks: tuple[object, ...], *rows: object) -> dict[str, float]:
    media = LabelledMedia((URI,), media_tasks)  # type: ignore[arg-type]
    return {s.metric: s.value for s in scores(judge(media, results(URI, *rows)))}  # type: ignore[arg-type]


def test_each_answer_counts_for_its_own_score() -> None:
    tasks = (TrueAnswer("How many?", ("2",), "counts"), TrueAnswer("What colour?", ("red",), "attributes"))
    found = judged(tasks, answer("What colour?", "Blue."), answer("How many?", "Two."))
    assert (found["counts"], found["counts_exact"], found["attributes"]) == (1.0, 0.0, 0.0)


def test_what_is_read_counts_by_its_letters() -> None:
    found = judged((TrueAnswer("What is written?", ("STOP",), "reading"),), answer("What is written?", "step"))
    assert (found["reading"], found["reading_match"]) == (0.75, 0.0)


def test_the_same_words_in_a_conversation_and_alone_are_told_apart() -> None:
    tasks = (
        TrueAnswer("How many?", ("2",), "dialogue", turn=0),
        TrueAnswer("How many?", ("3",), "dialogue", turn=1),
        TrueAnswer("How many?", ("1",), "counts"),
    )
    rows = (answer("How many?", "1", 1), answer("How many?", "2", 2), answer("How many?", "3", 2, 1))
    assert {name: value for name, value in judged(tasks, *rows).items() if "exact" not in name} == {
        "counts": 1.0,
        "dialogue": 1.0,
    }


def test_captions_are_matched_in_the_order_of_their_tasks() -> None:
    tasks = (TrueCaption(("A cat.",)), TrueCaption(("Ein Hund.", "Hund."), prompt="Auf Deutsch."))
    assert judged(tasks, caption("A cat.", 0), caption("Hund.", 3)) == {"captions_exact": 1.0}


def test_boxes_count_one_by_one_and_surplus_ones_against_precision() -> None:
    found = judged(
        (TrueBoxes("the cats", (ONE, TWO)),),
        grounding("the cats", (0, 0, 100, 100), (500, 0, 600, 90), (700, 0, 800, 90)),
    )
    assert (found["boxes_iou50"], found["boxes_mean_iou"]) == (0.5, 0.5)
    assert found["boxes_precision50"] == pytest.approx(1 / 3)


def test_what_is_not_there_must_not_be_found_and_not_be_garbled() -> None:
    task = (TrueBoxes("the dog", ()),)
    assert judged(task, grounding("the dog")) == {"absent": 1.0}
    assert judged(task, grounding("the dog", (0, 0, 9, 9))) == {"absent": 0.0}
    assert judged(task, grounding("the dog", malformed=True)) == {"absent": 0.0}


def test_a_moving_thing_is_held_against_its_place_in_that_very_frame() -> None:
    track = Track((TrackPoint(0, (0, 0, 100, 100)), TrackPoint(10, (500, 0, 600, 100))))
    rows = (
        grounding("it", (0, 0, 100, 100)),
        grounding("it", (250, 0, 350, 100), frame_index=5),
        grounding("it", (250, 0, 350, 100), frame_index=6),
        grounding("it", frame_index=11),
    )
    found = judged((TrueBoxes("it", (track,)),), *rows)
    assert (found["boxes_iou50"], found["absent"]) == (pytest.approx(2 / 3), 1.0)


def test_frames_of_which_nothing_is_known_count_for_nothing() -> None:
    task = TrueBoxes("it", (ONE,), known_frames=frozenset({(0, 0)}))
    rows = (grounding("it", (0, 0, 100, 100)), grounding("it", (9, 9, 10, 10), frame_index=3))
    assert judged((task,), *rows)["boxes_iou50"] == 1.0


def test_a_referred_region_counts_by_its_first_box() -> None:
    row = answer(refcoco_prompt("the cat"), "<ref>the cat</ref><box>[[0, 0, 100, 200], [5, 5, 6, 6]]</box>")
    found = judged((TrueRegion("the cat", (0, 0, 100, 100)),), row)
    assert found == {"refcoco_iou50": 1.0, "refcoco_mean_iou": 1.0}


def test_a_job_without_results_is_wrong_in_everything() -> None:
    tasks = (
        TrueCaption(("A cat.",)),
        TrueAnswer("How many?", ("2",), "counts"),
        TrueAnswer("What is written?", ("", "x"), "reading"),
        TrueBoxes("the cat", (ONE, TWO)),
        TrueBoxes("the dog", ()),
        TrueRegion("the cat", (0, 0, 1, 1)),
    )
    verdicts = judge(LabelledMedia((URI,), tasks), None)
    assert {score.metric: score.value for score in scores(verdicts) if score.value} == {}
    assert not any(verdict.right or verdict.answered for verdict in verdicts)
    assert {"captions", "counts", "reading", "boxes", "absent", "refcoco"} == {verdict.score for verdict in verdicts}


def test_the_headline_names_every_score_and_none_where_nothing_was_asked() -> None:
    media = LabelledMedia((URI,), (TrueAnswer("?", ("2",), "counts"),))
    told = headline(scores(judge(media, results(URI, answer("?", "2")))))
    assert list(told)[:8] == [
        *("boxes_iou50", "boxes_mean_iou", "counts", "captions_exact", "attributes", "reading", "motion", "absent")
    ]
    assert (told["counts"], told["motion"]) == (1.0, None)


def test_slices_follow_every_label_that_has_several_values() -> None:
    verdicts: list[Verdict] = []
    for language, said in (("en", "2"), ("zh", "3")):
        task = TrueAnswer("?", ("2",), "counts", labels={"language": language, "site": "north"})
        verdicts += judge(LabelledMedia((URI + language,), (task,)), results(URI + language, answer("?", said)))
    found = {(s.label, s.slice): s.value for s in slices(verdicts) if s.metric == "counts"}
    assert found == {("language", "en"): 1.0, ("language", "zh"): 0.0}
    assert {s.slice for s in slices(verdicts, ["kind", "site"])} == {"image", "north"}


def _run(said: list[str]) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for number, text in enumerate(said):
        media = LabelledMedia((f"{URI}{number}",), (TrueAnswer("?", ("2",), "counts"), TrueBoxes("it", (ONE,))))
        rows = (answer("?", text), grounding("it", (0, 0, 100, 100)))
        verdicts += judge(media, results(media.uris[0], *rows))
    return verdicts


def test_equal_runs_are_the_same() -> None:
    lines = compare(_run(["2", "3"] * 20), _run(["2", "3"] * 20), with_truth=True)
    assert [(line.score, line.agreement, line.p) for line in lines] == [("boxes", 1.0, 1.0), ("counts", 1.0, 1.0)]
    assert conclusion(lines) == "the same"
    assert lines[0].mean_iou == 1.0


def test_a_run_that_is_worse_differs_and_one_that_errs_elsewhere_does_not() -> None:
    good, worse, other = ["2"] * 40, ["2"] * 25 + ["3"] * 15, ["3", "2"] + ["2"] * 38
    lines = compare(_run(good), _run(worse), with_truth=True)
    assert conclusion(lines) == "differs: counts"
    assert lines[1].words.startswith("differs, A is better: 15 of 40 answers differ; right in A alone 15, in B alone 0")
    small = compare(_run(["2", "3"] + ["2"] * 38), _run(other), with_truth=True)
    assert (conclusion(small), small[1].same) == ("the same within chance", 38)


def test_without_truth_any_other_word_is_a_difference() -> None:
    one = observed(results(URI, caption("A cat."), answer("?", "2"), grounding("it", (0, 0, 100, 100))))
    two = observed(results(URI, caption("A cat."), answer("?", "3"), grounding("it", (0, 0, 50, 100))))
    lines = {line.score: line for line in compare(one, two, with_truth=False)}
    assert (lines["captions"].differs, lines["answers"].differs, lines["boxes"].differs) == (False, True, True)
    assert (lines["boxes"].mean_iou, lines["boxes"].p) == (0.5, None)
