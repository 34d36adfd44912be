"""Labelled files: both forms of a line, labels, and errors that name the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reelmill.errors import LabelledFileError
from reelmill.eval.asking import asked
from reelmill.eval.labelled_file import read_labelled, sampled
from reelmill.eval.truth import LabelledMedia, TrueAnswer, TrueBoxes, TrueCaption
from reelmill.schema import Ask, Caption, Ground


def written(folder: Path, *lines: dict[str, Any] | str) -> Path:
    path = folder / "truth.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_lines_of_one_media_become_one_job_that_asks_everything_once(tmp_path: Path) -> None:
    question = {"kind": "ask", "question": "How many?", "score": "counts"}
    path = written(
        tmp_path,
        {"media": "a b.png", "task": question, "truth": "2"},
        {"media": "s3://bucket/c.png", "task": {"kind": "caption"}, "truth": ["A cat.", "Cat."]},
        {"media": "a b.png", "task": {"kind": "caption"}, "truth": "A dog."},
        {"media": "a b.png", "task": question, "truth": "2"},
    )
    first, second = read_labelled(path)
    assert first.uris == ((tmp_path / "a b.png").as_uri(),)
    assert asked(first) == [Caption(), Ask("How many?")]
    assert second == LabelledMedia(("s3://bucket/c.png",), (TrueCaption(("A cat.", "Cat.")),))


def test_everything_that_can_be_asked_becomes_its_task(tmp_path: Path) -> None:
    tasks = [
        {"kind": "caption", "truth": "x", "prompt": "Short!"},
        {"kind": "ask", "questions": ["A?", "B?"], "truths": ["1", ["2", "two"]], "score": "dialogue"},
        {"kind": "ask", "question": "C?", "truth": "3"},
        {"kind": "ground", "phrase": "the cat", "boxes": [{"box_px": [1, 2, 3, 4]}]},
        {"kind": "ground", "phrase": "the dog"},
        {"kind": "refer", "phrase": "the cow", "box_px": [1, 2, 3, 4]},
    ]
    (media,) = read_labelled(written(tmp_path, {"media": ["a.png", "b.png"], "tasks": tasks}))
    region = "Please provide the bounding box coordinate of the region this sentence describes: <ref>the cow</ref>"
    assert list(asked(media)) == [
        Caption("Short!"),
        Ask("C?", region),
        Ask("A?", "B?", conversation=True),
        Ground("the cat", "the dog"),
    ]
    assert len(media.uris) == 2


def test_labels_come_from_the_line_and_the_task_and_every_field_of_text(tmp_path: Path) -> None:
    task = {"kind": "ask", "question": "?", "truth": "1", "labels": {"hard": "yes"}, "source": "b"}
    line = {"media": "a.png", "language": "zh", "source": "a", "width": 9, "labels": {"site": "x"}, "tasks": [task]}
    (media,) = read_labelled(written(tmp_path, line))
    assert dict(media.tasks[0].labels) == {"language": "zh", "source": "b", "site": "x", "hard": "yes"}


def test_boxes_of_some_frames_leave_the_others_unknown_and_tracks_do_not(tmp_path: Path) -> None:
    boxes = {"kind": "ground", "phrase": "a", "boxes": [{"frame_index": 3, "box_px": [0, 0, 1, 1]}]}
    straight = {"kind": "ground", "phrase": "b", "tracks": [{"start_px": [0, 0, 1, 1], "end_px": [9, 0, 10, 1]}]}
    points = {"kind": "ground", "phrase": "c", "tracks": [{"points": [{"frame_index": 4, "box_px": [0, 0, 1, 1]}]}]}
    (media,) = read_labelled(written(tmp_path, {"media": "a.mp4", "frames": 10, "tasks": [boxes, straight, points]}))
    one, two, three = (task for task in media.tasks if isinstance(task, TrueBoxes))
    assert (one.at(0, 3), one.at(0, 4)) == (((0, 0, 1, 1),), None)
    assert (two.at(0, 0), two.at(0, 3), two.at(0, 9)) == (((0, 0, 1, 1),), ((3, 0, 4, 1),), ((9, 0, 10, 1),))
    assert (three.at(0, 3), three.at(0, 4)) == ((), ((0, 0, 1, 1),))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 2: not JSON"),
        ({"media": "a.png"}, "line 2: tasks"),
        ({"media": "ftp://a", "tasks": [{"kind": "caption", "truth": "x"}]}, "line 2: media"),
        ({"media": "a.png", "tasks": [{"kind": "asks", "truth": "x"}]}, "line 2: tasks[0]"),
        ({"media": "a.png", "tasks": [{"kind": "ask", "question": "?"}]}, "line 2: tasks[0]"),
        ({"media": "a.png", "tasks": [{"kind": "ask", "questions": ["?"], "truths": []}]}, "line 2: tasks[0]"),
        ({"media": "a.png", "task": "caption", "truth": "x"}, "`task` is an object"),
        ({"media": "a.png", "tasks": [{"kind": "refer", "phrase": "x", "box_px": [1, 2, 3]}]}, "box_px"),
    ],
)
def test_a_line_that_cannot_be_understood_is_named(tmp_path: Path, line: dict[str, Any] | str, problem: str) -> None:
    good = {"media": "a.png", "task": {"kind": "caption"}, "truth": "x"}
    with pytest.raises(LabelledFileError) as error:
        read_labelled(written(tmp_path, good, line))
    assert problem in str(error.value)
    assert "docs/eval.md" in str(error.value) or "s3://" in str(error.value)


def test_a_file_that_is_not_there_or_empty_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(LabelledFileError, match=r"none\.jsonl"):
        read_labelled(tmp_path / "none.jsonl")
    written(tmp_path, "")
    with pytest.raises(LabelledFileError, match=r"truth\.jsonl: has no line"):
        read_labelled(tmp_path)


def test_a_sample_is_the_same_for_the_same_seed_and_keeps_the_order() -> None:
    media = [LabelledMedia((f"s3://b/{n}",), (TrueAnswer("?", ("1",), "counts"),)) for n in range(50)]
    drawn = sampled(media, 10, seed=4)
    assert drawn == sampled(media, 10, seed=4) != sampled(media, 10, seed=5)
    assert [media.index(each) for each in drawn] == sorted(media.index(each) for each in drawn)
    assert sampled(media, None, 0) == tuple(media) == sampled(media, 99, 0)
