"""What a job's rows say, laid beside what is known of its media."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reelmill.eval.answers import anls, same_answer, same_text
from reelmill.eval.judge_boxes import judge_phrase, judge_region, unfound
from reelmill.eval.refcoco import refcoco_prompt
from reelmill.eval.shape import shape_labels
from reelmill.eval.truth import LabelledMedia, TrueAnswer, TrueBoxes, TrueCaption, TrueRegion
from reelmill.eval.verdict import Mark, Place, Verdict
from reelmill.job_results import JobResults
from reelmill.schema import AnswerResult, CaptionResult

READING = "reading"
"""The score whose answers are read from the picture: closeness counts (ANLS)."""


def judge(media: LabelledMedia, found: JobResults | None) -> tuple[Verdict, ...]:
    """A verdict for everything known of one media; without results (its job did not succeed) all of it is wrong.

    Rows of what is not known are left out; what is known and was not asked has no verdict.
    """
    if found is None:
        return tuple(_unanswered(media))
    shape = shape_labels(found)
    verdicts = (*_captions(media, found), *_answers(media, found), *_phrases(media, found))
    return tuple(replace(verdict, labels={**shape, **verdict.labels}) for verdict in verdicts)


def _captions(media: LabelledMedia, found: JobResults) -> Iterator[Verdict]:
    """The first Caption task of the job is the first caption known, and so on."""
    known = [task for task in media.tasks if isinstance(task, TrueCaption)]
    order = sorted({row.task for row in found.captions})
    for row in found.captions:
        place = order.index(row.task)
        if place < len(known):
            yield _caption(media, known[place], row, place)


def _caption(media: LabelledMedia, task: TrueCaption, row: CaptionResult, turn: int) -> Verdict:
    right = same_text(task.truths, row.text)
    place = Place(media.uris, "caption", task.prompt or "", row.segment, turn)
    return Verdict(place, "captions", row.text, task.truths, right, (Mark("captions_exact", right),), task.labels)


def _answers(media: LabelledMedia, found: JobResults) -> Iterator[Verdict]:
    """By the words of the question; what was asked twice in its order."""
    waiting: dict[tuple[int, str], list[AnswerResult]] = {}
    for row in found.answers:
        waiting.setdefault((row.segment, row.question), []).append(row)
    segments = sorted({row.segment for row in found.answers})
    asked = [task for task in media.tasks if isinstance(task, TrueAnswer)]
    for segment in segments:
        turns: dict[str, int] = {}
        for task in sorted(asked, key=lambda task: task.turn is not None):
            rows = waiting.get((segment, task.question))
            if rows:
                turn = turns[task.question] = turns.get(task.question, -1) + 1
                yield _answer(Place(media.uris, "answer", task.question, segment, turn), task, rows.pop(0).text)
    yield from _regions(media, found)


def _regions(media: LabelledMedia, found: JobResults) -> Iterator[Verdict]:
    known = {refcoco_prompt(task.phrase): task for task in media.tasks if isinstance(task, TrueRegion)}
    for row in found.answers:
        if row.question in known:
            yield judge_region(media.uris, known[row.question], row, found.media[0].facts)


def _answer(place: Place, task: TrueAnswer, said: str) -> Verdict:
    right = same_answer(task.truths, said)
    return Verdict(place, task.score, said, task.truths, right, answer_marks(task, said), task.labels)


def answer_marks(task: TrueAnswer, said: str) -> tuple[Mark, ...]:
    """The score itself (normalised match, ANLS for reading), and what says more about it."""
    match, exact = same_answer(task.truths, said), same_text(task.truths, said)
    if task.score == READING:
        return (Mark(READING, anls(task.truths, said), is_share=False), Mark(f"{READING}_match", match))
    return (Mark(task.score, match), Mark(f"{task.score}_exact", exact))


def _phrases(media: LabelledMedia, found: JobResults) -> Iterator[Verdict]:
    known = {task.phrase: task for task in media.tasks if isinstance(task, TrueBoxes)}
    for row in found.groundings:
        task = known.get(row.phrase)
        right = task.at(row.frame.media_ordinal, row.frame.frame_index) if task else None
        if task is not None and right is not None:
            yield judge_phrase(media.uris, task, right, row)


def _unanswered(media: LabelledMedia) -> Iterator[Verdict]:
    turns: dict[tuple[str, str], int] = {}
    for task in media.tasks:
        verdict = _unsaid(media.uris, task)
        key = (verdict.place.kind, verdict.place.asked if verdict.place.kind == "answer" else "")
        turn = turns[key] = turns.get(key, -1) + 1
        numbered = verdict.place if verdict.place.kind == "boxes" else replace(verdict.place, turn=turn)
        yield replace(verdict, place=numbered, answered=False, right=False)


def _unsaid(uris: tuple[str, ...], task: TrueCaption | TrueAnswer | TrueBoxes | TrueRegion) -> Verdict:
    if isinstance(task, TrueCaption):
        place = Place(uris, "caption", task.prompt or "")
        return Verdict(place, "captions", "", task.truths, False, (Mark("captions_exact", 0.0),), task.labels)
    if isinstance(task, TrueAnswer):
        marks = tuple(replace(mark, value=0.0) for mark in answer_marks(task, ""))
        place = Place(uris, "answer", task.question)
        return Verdict(place, task.score, "", task.truths, False, marks, task.labels)
    return unfound(uris, task)
