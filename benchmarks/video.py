"""The published `load_video` against ours: 1080p H.264 with B-frames and HEVC, long and short GOPs, 8 and 32 segments.

The published side is the model cards' code on decord with one thread; ours is what a decoder process does (`extract`),
then the model room's normalisation on this CPU. `ratio_cpu` is CPU time with one thread, which other work on the
machine disturbs little; `ratio` is wall time with the cores there are, which it does disturb. Both sides read the same
frames, compared bit for bit. The ratio of all is that of the sums.

`bytes_ratio` is the larger of two: bytes asked for / size of a 10-minute video in S3 (1080p H.264, a keyframe every
10 s and less), 8 segments, with its index at the start and at the end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._clips import H264_LONG, H264_SHORT, HEVC_LONG, HEVC_OPEN, HEVC_SHORT, made, number_of
from benchmarks._published import load_video
from benchmarks._remote_video import LAYOUTS, fetched
from pipelines.media.extract import extract
from pipelines.media.sampling import get_index
from pipelines.media.types import DecodeLimits, DecodeRequest, TilingSpec
from pipelines.model.pixels import normalised
from reelmill.schema.tasks import Sampling

TILE_SIZE = 448
CLIPS = (H264_LONG, H264_SHORT, HEVC_LONG, HEVC_SHORT)
SEGMENTS = (8, 32)
REMOTE_SEGMENTS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=3)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    cores = len(os.sched_getaffinity(0))
    cases = {f"{clip.name}_{segments}": _case(made(clip), segments, cores, arguments.repeats)
             for clip in CLIPS for segments in SEGMENTS}  # fmt: skip
    published = sum(case.published.wall_s for case in cases.values())
    published_cpu = sum(case.published.cpu_s for case in cases.values())
    return {
        "ratio": round(published / sum(case.ours.wall_s for case in cases.values()), 2),
        "worst_ratio": round(min(case.ratio for case in cases.values()), 2),
        "ratio_cpu": round(published_cpu / sum(case.ours_one_thread.cpu_s for case in cases.values()), 2),
        "worst_ratio_cpu": round(min(case.ratio_cpu for case in cases.values()), 2),
        **_bytes(),
        "cores": cores,
        "frames_equal": all(case.equal for case in cases.values()),
        **{name: [round(case.ratio, 2), round(case.ratio_cpu, 2)] for name, case in cases.items()},
        "published_ms": {name: round(case.published.cpu_s * 1000) for name, case in cases.items()},
        "wrong_frames_of_32_hevc_open_gop": {"published": _wrong_of_decord(), "ours": _wrong_of_ours()},
    }


@dataclass(frozen=True, slots=True)
class _Taken:
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class _Case:
    """Medians, and whether every pixel value is the same."""

    published: _Taken
    ours: _Taken
    ours_one_thread: _Taken
    equal: bool

    @property
    def ratio(self) -> float:
        return self.published.wall_s / self.ours.wall_s

    @property
    def ratio_cpu(self) -> float:
        return self.published.cpu_s / self.ours_one_thread.cpu_s


def _case(file: Path, segments: int, cores: int, repeats: int) -> _Case:
    sides: tuple[Callable[[], torch.Tensor], ...] = (
        lambda: load_video(file, segments, TILE_SIZE),
        lambda: _ours(file, segments, cores),
        lambda: _ours(file, segments, 1),
    )
    equal = all(torch.equal(sides[0](), side()) for side in sides[1:])
    times: list[list[_Taken]] = [[] for _ in sides]
    for _ in range(repeats):
        for side, taken in zip(sides, times, strict=True):
            taken.append(_timed(side))
    published, ours, ours_one_thread = (_median(taken) for taken in times)
    return _Case(published, ours, ours_one_thread, equal)


def _timed(side: Callable[[], object]) -> _Taken:
    wall, cpu = time.perf_counter(), time.process_time()
    side()
    return _Taken(time.perf_counter() - wall, time.process_time() - cpu)


def _median(taken: list[_Taken]) -> _Taken:
    return _Taken(statistics.median(t.wall_s for t in taken), statistics.median(t.cpu_s for t in taken))


def _ours(file: Path, segments: int, threads: int) -> torch.Tensor:
    media = extract(_request(file, segments, threads))
    return normalised(media.tiles, torch.device("cpu"))


def _request(file: Path, segments: int, threads: int) -> DecodeRequest:
    limits = DecodeLimits(threads=threads)
    return DecodeRequest(str(file), file.name, Sampling(num_segments=segments), TilingSpec(TILE_SIZE, 12), limits)


def _bytes() -> dict[str, Any]:
    remote = {layout: fetched(layout, REMOTE_SEGMENTS) for layout in LAYOUTS}
    return {
        "bytes_ratio": round(max(each.ratio for each in remote.values()), 3),
        "bytes_requests": {layout: each.requests for layout, each in remote.items()},
        "bytes_equal": all(each.equal for each in remote.values()),
        "object_mb": round(max(each.size_bytes for each in remote.values()) / 2**20),
    }


def _wrong_of_decord() -> int:
    """How many of 32 frames are others than asked for, where the groups of pictures are open."""
    from decord import VideoReader, cpu

    reader = VideoReader(str(made(HEVC_OPEN)), ctx=cpu(0), num_threads=1)
    indices = get_index(None, float(reader.get_avg_fps()), len(reader) - 1, 0, 32)
    return sum(number_of(reader[int(index)].asnumpy()) != int(index) for index in indices)


def _wrong_of_ours() -> int:
    from pipelines.media.probe import open_reader

    path = made(HEVC_OPEN)
    with open_reader(str(path), path.name, DecodeLimits()) as reader:
        fps = reader.info.fps or 0.0
        indices = [int(index) for index in get_index(None, fps, reader.info.frame_count - 1, 0, 32)]
        wrong = [
            number_of(np.asarray(frame.picture)) != index
            for index, frame in zip(indices, reader.read(indices), strict=True)
        ]
    return sum(wrong)
