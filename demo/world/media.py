"""Media files of scenes: PNG, JPEG and H.264 mp4, with their truth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream

from demo.world.draw import render
from demo.world.questions import AskTask, GroundTask, asks, caption, grounds, video_asks, video_caption
from demo.world.scene import Box, Scene, make_scene
from demo.world.truth import Truth, write_truth

IMAGE_SIZES = (
    (1920, 1080), (800, 800), (1024, 768), (720, 1280), (640, 480), (448, 448), (1280, 720), (600, 900), (320, 240),
)  # fmt: skip
VIDEO_SIZES = ((1280, 720), (640, 360), (640, 480), (1920, 1080), (480, 480))


@dataclass(frozen=True)
class MediaSpec:
    """What one file is to be: frames is 1 for an image."""

    name: str
    size: tuple[int, int]
    frames: int = 1
    fps: int = 12

    @property
    def is_video(self) -> bool:
        return self.frames > 1


def plan(count: int, video_share: float = 0.3, long_videos: int = 0) -> list[MediaSpec]:
    """Images first, then short videos (4-6 s), then minute-long 1080p videos; `count` files in all."""
    videos = max(0, round(count * video_share) - long_videos)
    images = max(0, count - videos - long_videos)
    specs = []
    for i in range(images):
        suffix = "jpg" if i % 3 == 2 else "png"
        specs.append(MediaSpec(f"img_{i + 1:04d}.{suffix}", IMAGE_SIZES[i % len(IMAGE_SIZES)]))
    for i in range(videos):
        specs.append(MediaSpec(f"vid_{i + 1:04d}.mp4", VIDEO_SIZES[i % len(VIDEO_SIZES)], frames=48 + 12 * (i % 3)))
    for i in range(long_videos):
        specs.append(MediaSpec(f"vid_{videos + i + 1:04d}.mp4", (1920, 1080), frames=15 * 60, fps=15))
    return specs


def write_world(folder: Path, seed: int, specs: Sequence[MediaSpec]) -> list[Truth]:
    """Render every spec into `folder` and write `truth.jsonl`; the same seed and specs give the same world."""
    folder.mkdir(parents=True, exist_ok=True)
    truths = []
    for index, spec in enumerate(specs):
        rng = random.Random(f"{seed}/{index}")
        scene = make_scene(rng, spec.size[0] / spec.size[1], moving=spec.is_video)
        write_media(folder / spec.name, scene, spec)
        truths.append(truth_of(scene, spec, rng))
    write_truth(folder, truths)
    return truths


def write_media(path: Path, scene: Scene, spec: MediaSpec) -> None:
    if spec.is_video:
        _write_video(path, scene, spec)
    elif path.suffix == ".jpg":
        render(scene, spec.size).save(path, quality=92)
    else:
        render(scene, spec.size).save(path)


def truth_of(scene: Scene, spec: MediaSpec, rng: random.Random) -> Truth:
    words = video_caption(scene) if spec.is_video else caption(scene)
    questions = video_asks(scene, rng) if spec.is_video else asks(scene, rng)
    tasks = [{"kind": "caption", "truth": words}, *(_ask(task) for task in questions)]
    tasks += [_ground(task, scene, spec) for task in grounds(scene)]
    duration_s = spec.frames / spec.fps if spec.is_video else 0.0
    fps = float(spec.fps) if spec.is_video else 0.0
    kind = "video" if spec.is_video else "image"
    return Truth(spec.name, kind, *spec.size, duration_s, fps, spec.frames, tuple(tasks))


def _ask(task: AskTask) -> dict[str, Any]:
    return {"kind": "ask", "question": task.question, "truth": task.truth, "slice": task.slice}


def _ground(task: GroundTask, scene: Scene, spec: MediaSpec) -> dict[str, Any]:
    shapes = [scene.shapes[i] for i in task.shapes]
    last = spec.frames - 1
    moments = (0, last) if spec.is_video else (0,)
    boxes = [
        {"frame_index": i, "timestamp_s": i / spec.fps, "box_px": _rounded(shape.box(spec.size, float(i > 0)))}
        for i in moments
        for shape in shapes
    ]
    tracks = [
        {"start_px": _rounded(shape.box(spec.size)), "end_px": _rounded(shape.box(spec.size, 1.0))} for shape in shapes
    ]
    return {"kind": "ground", "phrase": task.phrase, "boxes": boxes, "tracks": tracks}


def _rounded(box: Box) -> list[float]:
    return [round(value, 2) for value in box]


def _write_video(path: Path, scene: Scene, spec: MediaSpec) -> None:
    """H.264, yuv420p; one thread, so that the same world gives the same bytes."""
    still = render(Scene(scene.aspect, scene.background, tuple(s for s in scene.shapes if not s.direction)), spec.size)
    movers = Scene(scene.aspect, scene.background, tuple(s for s in scene.shapes if s.direction))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(spec.fps), options={"preset": "superfast", "crf": "20"})
        if not isinstance(stream, VideoStream):
            raise TypeError("libx264 did not give a video stream")
        stream.width, stream.height = spec.size
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for index in range(spec.frames):
            picture = render(movers, spec.size, index / (spec.frames - 1), onto=still)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode())
