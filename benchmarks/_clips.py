"""1080p clips that look like filmed ones, made once per machine, every frame with its number in the top rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from benchmarks.images import photo_like

Rgb = npt.NDArray[np.uint8]
WIDTH, HEIGHT, FPS = 1920, 1080, 25
BITS, BIT_PX, BIT_STEP_PX = 10, 48, 96


@dataclass(frozen=True, slots=True)
class Clip:
    """How a clip is coded; `options` are the encoder's."""

    name: str
    codec: str
    frames: int
    options: dict[str, str] = field(default_factory=dict)


def _x264(gop: int) -> dict[str, str]:
    return {"preset": "veryfast", "crf": "23", "x264-params": f"bframes=3:keyint={gop}:min-keyint={gop}:scenecut=0"}


def _x265(gop: int, open_gop: int) -> dict[str, str]:
    params = f"log-level=none:bframes=3:keyint={gop}:min-keyint={gop}:scenecut=0:open-gop={open_gop}"
    return {"preset": "ultrafast", "crf": "26", "x265-params": params}


H264_LONG = Clip("h264_long_gop", "libx264", 300, _x264(250))
H264_SHORT = Clip("h264_short_gop", "libx264", 300, _x264(25))
HEVC_LONG = Clip("hevc_long_gop", "libx265", 150, _x265(150, 0))
HEVC_SHORT = Clip("hevc_short_gop", "libx265", 150, _x265(25, 0))
HEVC_OPEN = Clip("hevc_open_gop", "libx265", 150, _x265(25, 1))


def made(clip: Clip) -> Path:
    """The clip's file, encoded at its first use: minutes for all of them on a small machine."""
    folder = Path(tempfile.gettempdir()) / "reelmill-benchmark-clips"
    folder.mkdir(exist_ok=True)
    path = folder / f"{clip.name}-{clip.frames}.mp4"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        _encode(clip, unfinished)
        unfinished.rename(path)
    return path


def number_of(frame: Rgb) -> int:
    """The number that a frame carries."""
    centres = [BIT_STEP_PX * (bit + 1) + BIT_PX // 2 for bit in range(BITS)]
    return sum(1 << bit for bit, x in enumerate(centres) if frame[16:32, x - 8 : x + 8].mean() > 127)


def _encode(clip: Clip, path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = cast(VideoStream, container.add_stream(clip.codec, rate=FPS, options=clip.options))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for pixels in _frames(clip.frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())


def _frames(count: int) -> Iterator[Rgb]:
    """A camera that pans over a photo, a block that crosses it, and noise that changes."""
    scene = photo_like(WIDTH + 700, HEIGHT + 500, 7)
    random = np.random.default_rng(1)
    noise = [random.integers(0, 6, (HEIGHT, WIDTH, 1), dtype=np.uint8) for _ in range(5)]
    for number in range(count):
        x, y = int(340 + 300 * np.sin(number / 23)), int(240 + 220 * np.cos(number / 31))
        frame = np.bitwise_xor(scene[y : y + HEIGHT, x : x + WIDTH], noise[number % len(noise)])
        left = number * 9 % (WIDTH - 300)
        frame[500:740, left : left + 300] = scene[:240, :300][::-1]
        for bit in range(BITS):
            start = BIT_STEP_PX * (bit + 1)
            frame[:BIT_PX, start : start + BIT_PX] = 255 * (number >> bit & 1)
        yield frame
