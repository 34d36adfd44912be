"""Results as a flat table."""

from __future__ import annotations

from tests.unit.door.samples import job_results, stored, summed_up


def test_every_caption_answer_and_box_is_a_row_and_no_phrase_vanishes() -> None:
    rows = job_results().rows()
    assert [(row.kind, row.segment, row.ordinal, row.box, row.asked, row.text) for row in rows] == [
        ("caption", 0, 0, None, None, 'a "cat",\nsleeping'),
        ("caption", 1, 0, None, None, "猫"),
        ("answer", 1, 1, None, "Where?", "there"),
        ("box", 0, 0, 0, "the cat", "[[…]]"),
        ("box", 0, 0, 1, "the cat", "[[…]]"),
        ("absent", 1, 1, None, "dog", "none"),
        ("malformed", 1, 2, None, "bird", "[[1,"),
    ]
    assert rows[-1].problem == "cut off"


def test_rows_carry_media_segment_frame_and_corners() -> None:
    rows = job_results().rows()
    box = rows[3]
    assert (box.media_uri, box.media_ordinal, box.start_s, box.end_s) == ("s3://archive/a.mp4", 0, 0.0, 0.25)
    assert (box.frame_index, box.timestamp_s, box.label) == (3, 0.125, "cat")
    assert (box.x1, box.y1, box.x2, box.y2) == (100, 200, 300, 400)
    assert (box.x1_px, box.y1_px, box.x2_px, box.y2_px) == (64.0, 96.0, 192.0, 192.0)
    caption = rows[1]
    assert (caption.start_s, caption.end_s, caption.frame_index, caption.x1) == (0.25, 1.25, None, None)
    assert (rows[5].frame_index, rows[5].x1_px) == (9, None)


def test_what_is_said_of_several_images_names_the_first_and_no_place() -> None:
    caption, *_, bird = job_results(media=(stored("s3://a/1"), stored("s3://a/2", 1))).rows()
    assert (caption.media_uri, caption.media_ordinal) == ("s3://a/1", None)
    assert bird.media_ordinal == 0


def test_a_summary_is_a_row_of_the_whole_video() -> None:
    (row,) = (row for row in summed_up().rows() if row.kind == "summary")
    assert (row.segment, row.start_s, row.end_s, row.task, row.text) == (None, 0.0, 1.25, 0, "A cat sleeps.")
    assert (row.media_uri, row.media_ordinal, row.asked) == ("s3://archive/a.mp4", 0, None)
