"""Media made on the spot: every frame of a clip carries its own number, readable after lossy coding and rotation."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

Rgb = npt.NDArray[np.uint8]
WIDTH, HEIGHT, FPS, FRAMES = 160, 96, 24, 48
BITS, BIT_WIDTH, BIT_HEIGHT = 7, 16, 16


def numbered_frame(number: int) -> Rgb:
    """RGB [96, 160, 3]: bit b of the number is white or black in the top rows at columns 8 + 20 b."""
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    frame[..., 0] = np.arange(WIDTH)
    frame[..., 1] = (number * 5) % 256
    frame[40:70, 10 + number : 40 + number] = (250, 20, 200)
    for bit in range(BITS):
        frame[:BIT_HEIGHT, 8 + 20 * bit : 8 + 20 * bit + BIT_WIDTH] = 255 * (number >> bit & 1)
    return frame


def number_of(frame: Rgb) -> int:
    """The number that an upright frame carries."""
    frame = np.asarray(frame)
    scale = frame.shape[1] / WIDTH
    centres = [int((8 + 20 * bit + BIT_WIDTH / 2) * scale) for bit in range(BITS)]
    row = int(BIT_HEIGHT / 2 * frame.shape[0] / HEIGHT)
    return sum(1 << bit for bit, column in enumerate(centres) if frame[row, column].mean() > 127)


@dataclass(frozen=True)
class Clip:
    """How a clip is coded. `times_s` makes it a clip of variable rate."""

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    container: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    rotation_deg: int = 0
    frames: int = FRAMES
    times_s: tuple[float, ...] = ()
    colorspace: int | None = None


def write_clip(path: Path, clip: Clip) -> Path:
    """Encode numbered frames into a file."""
    with av.open(str(path), "w", format=clip.container) as container:
        stream = container.add_stream(clip.codec, rate=FPS, options={"g": "12", **clip.options})
        quarter_turns = clip.rotation_deg // 90
        size = (HEIGHT, WIDTH) if quarter_turns % 2 else (WIDTH, HEIGHT)
        (stream.width, stream.height), stream.pix_fmt = size, clip.pixel_format
        if clip.colorspace is not None:
            stream.codec_context.colorspace = clip.colorspace
        if clip.rotation_deg:
            stream.set_display_rotation(clip.rotation_deg)
        if clip.times_s:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(clip.frames):
            pixels = np.ascontiguousarray(np.rot90(numbered_frame(number), -quarter_turns))
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            if clip.times_s:
                frame.pts, frame.time_base = round(clip.times_s[number] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def repeat_clip(source: Path, path: Path, times: int, options: dict[str, str]) -> Path:
    """The packets of a clip again and again, in another container if the suffix says so; nothing is encoded."""
    with av.open(str(path), "w", options=options) as copy:
        stream = None
        for number in range(times):
            with av.open(str(source)) as clip:
                stream = stream or copy.add_stream_from_template(clip.streams.video[0])
                for packet in clip.demux(video=0):
                    if packet.dts is not None and packet.pts is not None:
                        shift = int(Fraction(FRAMES * number, FPS) / packet.time_base)
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        copy.mux(packet)
    return path


def write_sound(path: Path) -> Path:
    """Half a second of silence, and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_animation(path: Path, durations_ms: list[int], image_format: str) -> Path:
    """Numbered frames as an animated GIF, WebP or PNG."""
    frames = [Image.fromarray(numbered_frame(number)) for number in range(len(durations_ms))]
    lossless = {"lossless": True} if image_format == "WEBP" else {}
    frames[0].save(
        path, image_format, save_all=True, append_images=frames[1:], duration=durations_ms, loop=0, **lossless
    )
    return path


def png_header_of(width: int, height: int) -> bytes:
    """A small PNG that claims to be huge."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)
