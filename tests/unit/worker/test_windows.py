"""Groups of windows: what is kept, what is taken over, and what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipelines.analytics.interview import Interview, Observations
from pipelines.analytics.scene import Scene
from pipelines.cancellation import Cancellation
from reelmill.schema import Caption, Generation, JobResult, JobSpec, Sampling
from tests.unit.analytics.test_interview import MODEL, EchoBackend, media, scenes_of
from worker.storage import ObjectVersion
from worker.windows import WINDOWS_TOGETHER, Progress

SPEC = JobSpec(media=("s3://b/a.mp4",), tasks=(Caption(),), sampling=Sampling(window_s=1.0))
VERSION = ObjectVersion(etag="e", version_id=None, size_bytes=10)


class Shelf:
    """A Keeper in memory."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, int], JobResult] = {}

    def kept(self, key: str) -> tuple[JobResult, ...]:
        return tuple(found for (under, _), found in sorted(self.found.items()) if under == key)

    def keep(self, key: str, found: JobResult) -> None:
        self.found[key, found.segments[0].ordinal] = found


def attempt(shelf: Shelf, number: int, spec: JobSpec = SPEC, version: ObjectVersion = VERSION) -> Progress:
    return Progress.of(shelf, number, spec, [version], MODEL)


def work(progress: Progress, asked: list[int], *, breaks_at: int | None = None) -> JobResult:
    """One window after the other, as the runner would; asking about window `breaks_at` kills the attempt."""
    windows = [
        scene for scene in scenes_of(media(0, "video", segments=10)) if scene.segment.ordinal not in progress.done
    ]

    def ask(scenes: Sequence[Scene]) -> Observations:
        asked.extend(scene.segment.ordinal for scene in scenes)
        if breaks_at in asked:
            raise MemoryError
        return Interview(EchoBackend(), Generation(), Cancellation()).run(SPEC.tasks, scenes)

    return progress.interview(windows, ask)


def interrupted(shelf: Shelf) -> None:
    try:
        work(attempt(shelf, 1), [], breaks_at=9)
    except MemoryError:
        return
    raise AssertionError("it was to break")


def test_the_next_attempt_asks_only_about_what_is_left_and_has_every_window_once() -> None:
    shelf, asked = Shelf(), list[int]()
    whole = work(attempt(Shelf(), 1), [])
    interrupted(shelf)
    resumed = work(attempt(shelf, 2), asked)
    assert asked == list(range(2 * WINDOWS_TOGETHER, 10))
    assert (resumed.segments, resumed.captions) == (whole.segments, whole.captions)


def test_windows_of_another_version_question_or_model_are_not_taken_over() -> None:
    shelf = Shelf()
    interrupted(shelf)
    assert attempt(shelf, 2).done
    assert not attempt(shelf, 2, version=replace(VERSION, etag="other")).done
    assert not attempt(shelf, 2, spec=SPEC.model_copy(update={"tasks": (Caption("Say it briefly."),)})).done
    assert not Progress.of(shelf, 2, SPEC, [VERSION], replace(MODEL, revision="other")).done
    assert not attempt(shelf, 2, spec=SPEC.model_copy(update={"sampling": Sampling(scenes=True)})).done


def test_scenes_are_taken_over_only_from_the_same_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, shelf = SPEC.model_copy(update={"sampling": Sampling(scenes=True)}), Shelf()
    work(attempt(shelf, 1, spec), [])
    assert attempt(shelf, 2, spec).done
    monkeypatch.setattr("worker.windows.detector_version", lambda: "another 1.0")
    assert not attempt(shelf, 2, spec).done


def test_the_last_windows_are_left_to_the_jobs_end() -> None:
    shelf = Shelf()
    work(attempt(shelf, 1), [])
    assert [first for _, first in shelf.found] == [0, WINDOWS_TOGETHER]


def test_where_a_summary_follows_the_last_windows_are_kept_too_and_it_is_asked_behind_them() -> None:
    spec = SPEC.model_copy(update={"tasks": (Caption(summary=True),)})
    shelf, asked = Shelf(), list[int]()
    work(attempt(shelf, 1, spec), [])
    resumed = attempt(shelf, 2, spec)
    found = work(resumed, asked)
    assert asked == []
    interview = Interview(EchoBackend("in short"), Generation(), Cancellation())
    whole = resumed.sum_up(found, lambda segments, captions: interview.sum_up(spec.tasks, segments, captions))
    assert [(row.text, row.captions) for row in whole.summaries] == [("in short", 10)]
    assert whole.captions == found.captions
    assert whole.times.generate_s == found.times.generate_s + 0.3
