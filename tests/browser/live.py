"""A mill with something to look at, and `reelmill serve` as its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from demo.world import MediaSpec, Truth, box_at, write_world
from reelmill.archive.file_listing import file_etag
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import fail, succeed
from reelmill.ledger.lease import Lease
from reelmill.ledger.pin import MediaPin, pin_media
from reelmill.ledger.submit import NewBatch, submit_jobs
from reelmill.schema import (
    AnswerResult,
    Ask,
    Box,
    Caption,
    CaptionResult,
    FrameRef,
    Generated,
    Ground,
    GroundingResult,
    JobResult,
    JobSpec,
    MediaFacts,
    ReelmillError,
    SegmentResult,
    StageTimes,
)

WORLD = (
    MediaSpec("img_wide.png", (800, 450)),
    MediaSpec("img_high.jpg", (300, 600)),
    MediaSpec("vid_whole.mp4", (640, 360), frames=48),
    MediaSpec("vid_windows.mp4", (480, 480), frames=60),
)
FRAMES = 8


@dataclass(frozen=True)
class Served:
    """The running page: its address (with the token, where there is one) and its process."""

    url: str
    process: subprocess.Popen[str]

    def terminate(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@contextmanager
def served(database_url: str, *options: str, **settings: str) -> Iterator[Served]:
    """`reelmill serve` on a free port; gone at the end of the block."""
    environment = os.environ | {f"REELMILL_{name.upper()}": value for name, value in settings.items()}
    environment |= {"REELMILL_DATABASE_URL": database_url}
    command = [sys.executable, "-m", "reelmill", "serve", "--port", "0", "--json", *options]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield Served(json.loads(line)["url"], process)
    finally:
        process.kill()
        process.communicate()


class Mill:
    """Submits, and plays the worker: what it writes is what the caller says."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def submit(self, *specs: JobSpec, name: str | None = None, **labels: str) -> UUID:
        """A batch of these."""
        batch = NewBatch(name=name, labels=labels)
        submit_jobs(self.database, specs, batch=batch)
        return batch.id

    def work(self, result: JobResult | ReelmillError) -> UUID:
        """The next queued job ends so."""
        job = claim(self.database, "tester", "default", lease_s=600, in_flight=0)
        assert job is not None
        lease = Lease(job.job_id, job.lease_token, job.attempt)
        paths = [Path(media.uri.removeprefix("file://")) for media in job.media]
        assert pin_media(
            self.database,
            lease,
            [
                MediaPin(ordinal, file_etag(path.stat()), None, path.stat().st_size)
                for ordinal, path in enumerate(paths)
                if path.is_file()
            ],
        )
        end = fail if isinstance(result, ReelmillError) else succeed
        assert end(self.database, lease, result)  # type: ignore[operator]
        return job.job_id


def write_truths(folder: Path) -> dict[str, Truth]:
    """The demo's media in a folder, by name."""
    return {truth.media: truth for truth in write_world(folder, 7, WORLD)}


def spec(path: Path, truth: Truth, **fields: Any) -> JobSpec:
    """Everything that is known of it, asked."""
    tasks = (Caption(), Ask(*_questions(truth)), Ground(*(task["phrase"] for task in _tasks(truth, "ground"))))
    return JobSpec(**{"media": (path.as_uri(),), "tasks": tasks, **fields})


def true_result(truth: Truth, *, windows: int = 1) -> JobResult:
    """What a model without fault would say: the truth, with boxes on every sampled frame."""
    places = frames_of(truth)
    per_window = len(places) // windows
    parts = [places[start : start + per_window] for start in range(0, per_window * windows, per_window)]
    length_s = truth.frames / (truth.fps or 1)
    video = truth.kind == "video"
    return JobResult(
        media=(
            MediaFacts(
                *(0, "video" if video else "image", "mp4" if video else "png", truth.width, truth.height, 1, None),
                *("h264" if video else None, truth.frames, length_s if video else None, truth.fps if video else None),
            ),
        ),
        segments=tuple(
            SegmentResult(
                number,
                number * length_s / windows if video else None,
                (number + 1) * length_s / windows if video else None,
                tuple(part),
            )
            for number, part in enumerate(parts)
        ),
        captions=tuple(
            CaptionResult(number, 0, said(_tasks(truth, "caption")[0]["truth"])) for number in range(windows)
        ),
        answers=tuple(
            AnswerResult(0, 1, place, task["question"], said(task["truth"]))
            for place, task in enumerate(_tasks(truth, "ask"))
        ),
        groundings=tuple(_groundings(truth, parts)),
        times=StageTimes(0.02, 0.11, 0.3, 0.25, 0.1, 1.2),
    )


def frames_of(truth: Truth) -> list[FrameRef]:
    """The frames that are sampled."""
    if truth.kind != "video":
        return [FrameRef(0, 0, None, 3)]
    indices = [place * (truth.frames - 1) // (FRAMES - 1) for place in range(FRAMES)]
    return [FrameRef(0, index, index / truth.fps, 1) for index in indices]


def percent(truth: Truth, task: dict[str, Any], index: int) -> list[tuple[float, float, float, float]]:
    """The true boxes of a phrase on a frame, in percent of it."""
    width, height = truth.width / 100, truth.height / 100
    boxes = [box_at(track, index, truth.frames) for track in task["tracks"]]
    return [(x1 / width, y1 / height, x2 / width, y2 / height) for x1, y1, x2, y2 in boxes]


def said(text: str) -> Generated:
    return Generated(text, text, "stop", 900, 12)


def _groundings(truth: Truth, parts: list[list[FrameRef]]) -> Iterator[GroundingResult]:
    for number, part in enumerate(parts):
        ordinal = 0
        for task in _tasks(truth, "ground"):
            for frame in part:
                boxes = tuple(_box(truth, *corners) for corners in percent(truth, task, frame.frame_index))
                yield GroundingResult(number, 2, ordinal, task["phrase"], frame, "found", said("…"), boxes)
                ordinal += 1


def _box(truth: Truth, *corners: float) -> Box:
    pixels = [corner * side / 100 for corner, side in zip(corners, (truth.width, truth.height) * 2, strict=True)]
    return Box("", *(corner * 10 for corner in corners), *pixels)


def _tasks(truth: Truth, kind: str) -> list[dict[str, Any]]:
    return [dict(task) for task in truth.tasks if task["kind"] == kind]


def _questions(truth: Truth) -> list[str]:
    return list(dict.fromkeys(task["question"] for task in _tasks(truth, "ask")))
