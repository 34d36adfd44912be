"""Small pictures and clips that tests make for themselves."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from PIL import Image


def noise_png(seed: int, size: tuple[int, int] = (120, 90)) -> bytes:
    """A picture unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def noise_clip(path: Path, seed: int, seconds: int = 3, fps: int = 12, size: tuple[int, int] = (160, 96)) -> Path:
    """An H.264 clip of slowly changing noise."""
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
        first, last = (rng.integers(0, 256, (6, 8, 3)).astype(float) for _ in range(2))
        for index in range(seconds * fps):
            blocks = first + (last - first) * index / (seconds * fps)
            image = Image.fromarray(blocks.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
            for packet in stream.encode(av.VideoFrame.from_image(image)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
