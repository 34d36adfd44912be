from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import pytest

from reelmill.job_results import JobResults, StoredMedia
from reelmill.report import BoundedPictures, NoPictures, Pictures, from_results, write_report
from reelmill.report.from_results import MOST_FRAMES
from reelmill.schema import (
    AnswerResult,
    Box,
    CaptionResult,
    FrameRef,
    Generated,
    GroundingResult,
    MediaFacts,
    SegmentResult,
    StageTimes,
    SummaryResult,
)


@dataclass
class Named:
    """Pictures that say which frame of which media they are."""

    lost: frozenset[int] = frozenset()
    asked: list[tuple[str, list[int]]] = field(default_factory=list)

    def read(self, media: StoredMedia, indices: Sequence[int]) -> Pictures:
        self.asked.append((media.uri, list(indices)))
        return Pictures({index: f"{media.uri}#{index}".encode() for index in indices if index not in self.lost})


def words(text: str) -> Generated:
    return Generated(text, f"raw {text}", "stop", 10, 2)


def stored(uri: str, ordinal: int = 0, kind: str = "video", size: tuple[int, int] = (640, 480)) -> StoredMedia:
    duration_s = 12.0 if kind == "video" else None
    facts = MediaFacts(ordinal, kind, "mp4", *size, 1, "sha", "h264", 300, duration_s, 25.0)  # type: ignore[arg-type]
    return StoredMedia(uri, None, None, facts)


def frame(index: int, media: int = 0) -> FrameRef:
    return FrameRef(media, index, index / 25, 1)


def box(label: str = "the dog", left: float = 100) -> Box:
    return Box(label, left, 200, 300, 400, 64, 96, 192, 192)


def grounding(place: FrameRef, *boxes: Box, phrase: str = "the dog", ordinal: int = 0) -> GroundingResult:
    status = "found" if boxes else "absent"
    return GroundingResult(0, 2, ordinal, phrase, place, status, words("…"), boxes)  # type: ignore[arg-type]


def job(**fields: object) -> JobResults:
    frames = (frame(5), frame(50), frame(100))
    known = JobResults(
        job_id=UUID(int=1),
        labels={"night": "7"},
        media=(stored("s3://b/clip.mp4"),),
        segments=(SegmentResult(0, 0.0, 12.0, frames),),
        captions=(CaptionResult(0, 0, words("A dog runs.")),),
        answers=(AnswerResult(0, 1, 0, "How many?", words("one")),),
        groundings=(grounding(frame(5)), grounding(frame(50), box(), ordinal=1), grounding(frame(100), ordinal=2)),
        times=StageTimes(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
        prompt_tokens=1200,
        output_tokens=30,
        tiles=3,
    )
    return replace(known, **fields)  # type: ignore[arg-type]


def test_every_box_lies_on_the_frame_that_it_was_found_in_beside_that_frames_own_picture() -> None:
    page = from_results(job(), Named())

    assert [(each.index, each.timestamp_s, each.jpeg) for each in page.frames] == [
        (5, 0.2, b"s3://b/clip.mp4#5"),
        (50, 2.0, b"s3://b/clip.mp4#50"),
        (100, 4.0, b"s3://b/clip.mp4#100"),
    ]
    assert [len(each.boxes) for each in page.frames] == [0, 1, 0]
    assert (page.frames[1].boxes[0].label, page.frames[1].boxes[0].x1) == ("the dog", 100)


def test_images_of_one_job_keep_their_own_boxes_though_all_are_frame_0() -> None:
    media = (stored("s3://b/1.png", 0, "image"), stored("s3://b/2.png", 1, "image", (300, 600)))
    places = (FrameRef(0, 0, None, 1), FrameRef(1, 0, None, 1))
    found = job(
        media=media,
        segments=(SegmentResult(0, None, None, places),),
        groundings=(grounding(places[1], box("two")), grounding(places[0], box("one"))),
    )

    page = from_results(found, Named())

    assert [(each.jpeg, each.boxes[0].label, each.name, each.aspect) for each in page.frames] == [
        (b"s3://b/1.png#0", "one", "1 · 1.png", pytest.approx(4 / 3)),
        (b"s3://b/2.png#0", "two", "2 · 2.png", 0.5),
    ]
    assert (page.uri, page.other_uris) == ("s3://b/1.png", ("s3://b/2.png",))
    assert page.groundings[0].said == "2 boxes on 2 of 2 images"


def test_a_frame_of_several_windows_is_read_and_shown_once() -> None:
    source = Named()
    windows = (SegmentResult(0, 0.0, 2.0, (frame(5), frame(5), frame(50))), SegmentResult(1, 2.0, 4.0, (frame(50),)))

    page = from_results(job(segments=windows, groundings=()), source)

    assert [each.index for each in page.frames] == [5, 50]
    assert source.asked == [("s3://b/clip.mp4", [5, 50])]


def test_what_was_said_is_told_per_stretch_and_phrases_once_for_all_their_frames() -> None:
    windows = (SegmentResult(0, 0.0, 6.0, (frame(5),)), SegmentResult(1, 6.0, 72.0, (frame(50),)))
    captions = (CaptionResult(0, 0, words("first")), CaptionResult(1, 0, words("second")))

    page = from_results(job(segments=windows, captions=captions), Named())

    assert [(line.said, line.where) for line in page.captions] == [
        ("first", "0:00.0 – 0:06.0"),
        ("second", "0:06.0 – 1:12.0"),
    ]
    assert [(line.asked, line.said) for line in page.answers] == [("How many?", "one")]
    assert [(line.asked, line.said, line.label) for line in page.groundings] == [
        ("the dog", "1 box on 1 of 3 frames", "the dog")
    ]
    assert [line.where for line in from_results(job(), Named()).captions] == [""]


def test_a_summary_stands_before_the_captions_that_it_sums_up(tmp_path: Path) -> None:
    summary = SummaryResult(0, 2, 1, words("A dog, then none."))
    item = from_results(job(summaries=(summary,)), Named())
    assert [line.said for line in item.summaries] == ["A dog, then none."]
    write_report(tmp_path / "page.html", [item], title="A batch")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.index("A dog, then none.") < page.index("A dog runs.")
    assert page.count("<dt>Summary") == 1


def test_what_was_not_found_and_what_was_not_understood_are_told_apart() -> None:
    lost = GroundingResult(0, 2, 1, "the bird", frame(50), "malformed", words("[[1,"), problem="cut off")

    page = from_results(job(groundings=(grounding(frame(5)), lost)), Named())

    assert [(line.asked, line.said) for line in page.groundings] == [
        ("the dog", "not there"),
        ("the bird", "not understood at 0:02.0: cut off raw [[1,"),
    ]


def test_without_pictures_the_frames_with_boxes_stay_and_the_reason_is_said() -> None:
    page = from_results(job(), NoPictures("not reachable from here"))

    assert [(each.index, each.jpeg) for each in page.frames] == [(50, None)]
    assert page.missing == "not reachable from here"


def test_frames_that_cannot_be_read_any_more_are_counted() -> None:
    page = from_results(job(), Named(lost=frozenset({5})))

    assert [each.index for each in page.frames] == [50, 100]
    assert page.missing == "1 of 3 frames cannot be read any more"


def test_a_long_video_shows_its_first_frames_and_says_how_many_are_left_out() -> None:
    many = tuple(frame(index) for index in range(MOST_FRAMES + 1200))

    page = from_results(job(segments=(SegmentResult(0, 0.0, 60.0, many),), groundings=()), Named())

    assert len(page.frames) == MOST_FRAMES
    assert page.missing == "1,200 more are not shown here"


def test_facts_and_times_are_those_of_the_job() -> None:
    page = from_results(job(), Named())

    assert page.facts == ("640 × 480", "mp4/h264", "12.0 s", "night=7", "3 tiles", "1,200 tokens in, 30 out")
    assert [(each.stage, each.seconds) for each in page.times] == [
        *(("fetch", 0.1), ("decode", 0.2), ("wait", 0.3), ("vision", 0.4)),
        *(("prefill", 0.5), ("generate", 0.6), ("write", 0.7)),
    ]


def test_a_full_page_reads_no_further_media() -> None:
    source = Named()
    bounded = BoundedPictures(source, most_bytes=20)

    first, second = (from_results(job(), bounded) for _ in range(2))

    assert [each.jpeg is None for each in first.frames] == [False] * 3
    assert len(source.asked) == 1
    assert "0 MB of pictures already" in second.missing
