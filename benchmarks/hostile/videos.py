"""Videos: every container and codec with something odd, and damaged ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.stream import VideoStream

from benchmarks.hostile.cases import Case, Scene
from benchmarks.hostile.pictures import HEIGHT, WIDTH, numbered

FPS, FRAMES, GOP = 24, 48, 12
TS_PACKET_BYTES = 188
QUIET = {"x265-params": "log-level=none"}


@dataclass(frozen=True, slots=True)
class Clip:
    """How numbered frames are coded. `times_s` makes a clip of variable rate."""

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    rotation_deg: int = 0
    frames: int = FRAMES
    times_s: tuple[float, ...] = ()
    container: str | None = None


def write_clip(clip: Clip, path: Path, _: Scene | None = None) -> Path:
    """Encode it; the container is that of the name where the clip says none."""
    turns = clip.rotation_deg // 90
    with av.open(str(path), "w", format=clip.container) as container:
        options = {"g": str(GOP), "threads": "1", **clip.options}
        stream = cast(VideoStream, container.add_stream(clip.codec, rate=FPS, options=options))
        stream.width, stream.height = (HEIGHT, WIDTH) if turns % 2 else (WIDTH, HEIGHT)
        stream.pix_fmt = clip.pixel_format
        if clip.rotation_deg:
            stream.set_display_rotation(clip.rotation_deg)
        if clip.times_s:
            stream.codec_context.time_base = Fraction(1, 1000)
        container.start_encoding()
        for number in range(clip.frames):
            container.mux(stream.encode(_frame(clip, number, turns)))
        if clip.frames:
            container.mux(stream.encode())
    return path


def _frame(clip: Clip, number: int, turns: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(numbered(number), -turns)), "rgb24")
    if clip.times_s:
        frame.pts, frame.time_base = round(clip.times_s[number] * 1000), Fraction(1, 1000)
    return frame


CLIPS = {
    "h264.mp4": Clip(options={"bf": "2"}),
    "h264.mov": Clip(),
    "h264.mkv": Clip(options={"bf": "2"}),
    "h264.ts": Clip(options={"bf": "2"}),
    "h264.flv": Clip(),
    "hevc.mp4": Clip("libx265", options=QUIET),
    "10_bits.mp4": Clip("libx265", "yuv420p10le", options=QUIET),
    "vp9.webm": Clip("libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
    "av1.webm": Clip("libsvtav1", options={"preset": "12"}),
    "mpeg4.avi": Clip("mpeg4", options={"qscale": "3"}),
    "mpeg2.mpg": Clip("mpeg2video", options={"qscale": "3"}),
    "rotated_90.mp4": Clip(rotation_deg=90),
    "rotated_180.mp4": Clip(rotation_deg=180),
    "rotated_270.mp4": Clip(rotation_deg=270),
    "variable_rate.mkv": Clip(times_s=tuple(0.01 * number**1.3 for number in range(FRAMES))),
    "one_frame.mp4": Clip(frames=1),
    "two_frames.webm": Clip("libvpx-vp9", frames=2, options={"deadline": "realtime", "cpu-used": "8"}),
    "open_groups.mp4": Clip(options={"x264-params": "open-gop=1:keyint=12:min-keyint=1:bframes=3:scenecut=0"}),
    "intra_refresh.mp4": Clip(options={"x264-params": "intra-refresh=1:keyint=12:bframes=0"}),
    "fragmented.mp4": Clip(container="mp4"),
}
Change = Callable[[bytearray, random.Random], bytearray]


class Clips:
    """Encoded once each."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def bytes_of(self, name: str, folder: Path) -> bytes:
        """The file of a clip."""
        if name not in self._files:
            path = write_clip(CLIPS[name], folder / f"whole-{name}")
            self._files[name] = path.read_bytes()
            path.unlink()
        return self._files[name]


_clips = Clips()


def _whole(name: str, path: Path, scene: Scene) -> None:
    path.write_bytes(_clips.bytes_of(name, scene.folder))


def changed(name: str, change: Change, path: Path, scene: Scene) -> None:
    """A clip with something done to its bytes, the same for the same seed."""
    data = bytearray(_clips.bytes_of(name, scene.folder))
    path.write_bytes(change(data, random.Random(f"{scene.seed} {path.name}")))


def _cut(data: bytearray, _: random.Random) -> bytearray:
    return data[: len(data) * 6 // 10]


def _noise_in_the_middle(data: bytearray, random_: random.Random) -> bytearray:
    start = len(data) // 2
    data[start : start + 400] = random_.randbytes(400)
    return data


def _lost_sector(data: bytearray, _: random.Random) -> bytearray:
    start = len(data) // 2
    data[start : start + 512] = bytes(512)
    return data


def _lost_packets(data: bytearray, _: random.Random) -> bytearray:
    """Three transport packets missing in the middle."""
    start = len(data) // TS_PACKET_BYTES // 2 * TS_PACKET_BYTES
    return data[:start] + data[start + 3 * TS_PACKET_BYTES :]


def _broken_clock(data: bytearray, random_: random.Random) -> bytearray:
    """Every presentation time of a transport stream is another's, or none at all."""
    for start in range(0, len(data) - TS_PACKET_BYTES, TS_PACKET_BYTES):
        if data[start + 1] & 0x40 and (at := data.find(b"\0\0\1\xe0", start, start + 60)) >= 0 and data[at + 7] & 0x80:
            data[at + 10] = random_.randrange(256)
    return data


def _swallowed_header(data: bytearray, _: random.Random) -> bytearray:
    return bytearray(b"\0" * 64) + data[64:]


def _sizes_of_nonsense(data: bytearray, _: random.Random) -> bytearray:
    """The table of sample sizes says that everything is huge."""
    start = data.index(b"stsz")
    data[start + 16 : start + 16 + 4 * FRAMES] = b"\x7f\xff\xff\xff" * FRAMES
    return data


def _huge_in_the_header(data: bytearray, _: random.Random) -> bytearray:
    start = data.index(b"avc1") + 28
    data[start : start + 4] = b"\xff\xff\xff\xff"
    return data


def _sound_only(path: Path, _: Scene) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _without_samples(path: Path, scene: Scene) -> None:
    """An index for 48 frames, and nothing where they should be."""
    data = _clips.bytes_of("h264.mp4", scene.folder)
    start = data.index(b"mdat") - 4
    size = int.from_bytes(data[start : start + 4])
    path.write_bytes(data[: start + 8] + bytes(size - 8) + data[start + size :])


def _huge_frames(side: int, path: Path, _: Scene) -> None:
    """Few bytes that become large pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1, options={"threads": "1"})
        stream.width = stream.height = side
        stream.pix_fmt = "yuvj420p"
        frame = av.VideoFrame(side, side, "yuvj420p")
        for plane in frame.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        for number in range(2):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def cases() -> list[Case]:
    """All of them."""
    sound = [Case(name, partial(_whole, name), "frames", "numbers") for name in CLIPS]
    return [*sound, *_damaged(), *_odd()]


def _damaged() -> list[Case]:
    def damaged(kind: str, change: Change, names: tuple[str, ...], expect: Any = "either") -> list[Case]:
        return [Case(f"{kind}_{name}", partial(changed, name, change), expect, "numbers") for name in names]

    everywhere = ("h264.mp4", "h264.mkv", "h264.ts", "hevc.mp4", "vp9.webm", "av1.webm", "mpeg4.avi", "mpeg2.mpg")
    return [
        *damaged("cut", _cut, ("h264.mp4", "h264.mkv", "vp9.webm", "mpeg4.avi"), "error"),
        *damaged("cut", _cut, ("h264.ts", "mpeg2.mpg", "h264.flv")),
        *damaged("noise", _noise_in_the_middle, everywhere),
        *damaged("lost_sector", _lost_sector, everywhere),
        *damaged("lost_packets", _lost_packets, ("h264.ts",)),
        *damaged("broken_clock", _broken_clock, ("h264.ts",)),
        *damaged("no_header", _swallowed_header, ("h264.mp4", "vp9.webm", "h264.ts")),
        *damaged("nonsense_sizes", _sizes_of_nonsense, ("h264.mp4",)),
        *damaged("claims_65535_pixels", _huge_in_the_header, ("h264.mp4",)),
    ]


def _odd() -> list[Case]:
    return [
        Case("sound_only.mp4", _sound_only, "error"),
        Case("sound_only.mkv", _sound_only, "error"),
        Case("no_samples.mp4", _without_samples, "error"),
        Case("no_frames.mkv", partial(write_clip, Clip(frames=0)), "error"),
        Case("frames_of_16000.avi", partial(_huge_frames, 16_000), "error", quick=False),
        Case("frames_of_8000.avi", partial(_huge_frames, 8000), "either", "any", quick=False),
    ]
