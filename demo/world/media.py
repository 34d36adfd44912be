"""Media files of scenes: PNG, JPEG and H.264 mp4, with their truth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.video.stream import VideoStream

from demo.world.draw import render
from demo.world.more_questions import event_of
from demo.world.more_scenes import crowded_scene, eventful_scene, scene_pair, sign_scene
from demo.world.scene import Scene, make_scene
from demo.world.tasks import truth_of
from demo.world.truth import Truth, write_truth

IMAGE_SIZES = (
    (1920, 1080), (800, 800), (1024, 768), (720, 1280), (640, 480), (448, 448), (1280, 720), (600, 900), (320, 240),
)  # fmt: skip
VIDEO_SIZES = ((1280, 720), (640, 360), (640, 480), (1920, 1080), (480, 480))


PAIR_SIZES = ((800, 800), (640, 480))
Kind = Literal["plain", "more", "crowded", "sign", "events", "pair"]
"""plain: shapes apart, and questions about them; more: the same with all that may be asked; others by their scenes."""
IMAGE_KINDS: tuple[Kind, ...] = (
    "more", "more", "more", "more", "sign", "crowded", "more", "sign", "pair", "crowded",
)  # fmt: skip
VIDEO_KINDS: tuple[Kind, ...] = ("more", "more", "events")


@dataclass(frozen=True)
class MediaSpec:
    """What one file (or pair of files) is to be: frames is 1 for an image."""

    name: str
    size: tuple[int, int]
    frames: int = 1
    fps: int = 12
    kind: Kind = "plain"

    @property
    def is_video(self) -> bool:
        return self.frames > 1

    @property
    def files(self) -> tuple[str, ...]:
        """One name, or those of the two images of a pair."""
        if self.kind != "pair":
            return (self.name,)
        path = Path(self.name)
        return tuple(f"{path.stem}_{place}{path.suffix}" for place in (1, 2))


def plan(count: int, video_share: float = 0.3, long_videos: int = 0, plain: bool = False) -> list[MediaSpec]:
    """Images first, then short videos (4-6 s), then minute-long 1080p videos; `count` in all, a pair counted once.

    `plain` leaves out all but shapes apart from each other.
    """
    videos = max(0, round(count * video_share) - long_videos)
    images = max(0, count - videos - long_videos)
    specs = [_image(i, "plain" if plain else IMAGE_KINDS[i % len(IMAGE_KINDS)]) for i in range(images)]
    for i in range(videos):
        kind: Kind = "plain" if plain else VIDEO_KINDS[i % len(VIDEO_KINDS)]
        size = VIDEO_SIZES[i % len(VIDEO_SIZES)]
        specs.append(MediaSpec(f"vid_{i + 1:04d}.mp4", size, 48 + 12 * (i % 3), kind=kind))
    for i in range(long_videos):
        kind = "plain" if plain else "more"
        specs.append(MediaSpec(f"vid_{videos + i + 1:04d}.mp4", (1920, 1080), frames=15 * 60, fps=15, kind=kind))
    return specs


def _image(i: int, kind: Kind) -> MediaSpec:
    if kind == "pair":
        return MediaSpec(f"pair_{i + 1:04d}.png", PAIR_SIZES[i // len(IMAGE_KINDS) % len(PAIR_SIZES)], kind=kind)
    suffix = "jpg" if i % 3 == 2 else "png"
    return MediaSpec(f"img_{i + 1:04d}.{suffix}", IMAGE_SIZES[i % len(IMAGE_SIZES)], kind=kind)


def write_world(folder: Path, seed: int, specs: Sequence[MediaSpec]) -> list[Truth]:
    """Render every spec into `folder` and write `truth.jsonl`; the same seed and specs give the same world."""
    folder.mkdir(parents=True, exist_ok=True)
    truths = []
    for index, spec in enumerate(specs):
        rng, more = random.Random(f"{seed}/{index}"), random.Random(f"{seed}/{index}/more")
        scenes = _scenes(rng, spec)
        for name, scene in zip(spec.files, scenes, strict=True):
            write_media(folder / name, scene, spec)
        truths.append(truth_of(scenes, spec, rng, more))
    write_truth(folder, truths)
    return truths


def _scenes(rng: random.Random, spec: MediaSpec) -> tuple[Scene, ...]:
    """One, or the two of a pair."""
    aspect = spec.size[0] / spec.size[1]
    if spec.kind == "pair":
        return scene_pair(rng, aspect)
    special = {"crowded": crowded_scene, "sign": sign_scene, "events": eventful_scene}.get(spec.kind)
    return (special(rng, aspect) if special else make_scene(rng, aspect, moving=spec.is_video),)


def write_media(path: Path, scene: Scene, spec: MediaSpec) -> None:
    if spec.is_video:
        _write_video(path, scene, spec)
    elif path.suffix == ".jpg":
        render(scene, spec.size).save(path, quality=92)
    else:
        render(scene, spec.size).save(path)


def _write_video(path: Path, scene: Scene, spec: MediaSpec) -> None:
    """H.264, yuv420p; one thread, so that the same world gives the same bytes."""
    always = [not (shape.direction or event_of(shape)) for shape in scene.shapes]
    still, movers = (
        Scene(
            scene.aspect,
            scene.background,
            tuple(s for s, stays in zip(scene.shapes, always, strict=True) if stays is flag),
        )
        for flag in (True, False)
    )
    painted = render(still, spec.size)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(spec.fps), options={"preset": "superfast", "crf": "20"})
        if not isinstance(stream, VideoStream):
            raise TypeError("libx264 did not give a video stream")
        stream.width, stream.height = spec.size
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for index in range(spec.frames):
            picture = render(movers, spec.size, index / (spec.frames - 1), onto=painted)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode())
