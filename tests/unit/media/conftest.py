"""Golden files of the published loader, and synthetic media that is made once per session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media.stuck import StuckFile
from media.synthesis import FRAMES, Clip, write_animation, write_clip, write_sound
from pipelines.media.types import DecodeLimits, DecodeRequest, TilingSpec
from reelmill.schema.tasks import Sampling

# numpy and torch would take both cores of a small machine for pictures of a few pixels.
os.environ.setdefault("OMP_NUM_THREADS", "1")

GOLDEN = Path(__file__).parents[2] / "golden"
QUIET = {"x265-params": "log-level=none"}
CLIPS = {
    "h264.mp4": Clip(options={"bf": "2"}),
    "h264.mov": Clip(options={"bf": "2"}),
    "h264.mkv": Clip(options={"bf": "2"}),
    "h264.ts": Clip(options={"bf": "2"}),
    "h264.flv": Clip(options={"bf": "2"}),
    "bt709.mp4": Clip(colorspace=1),
    "full_range.mp4": Clip(pixel_format="yuvj420p"),
    "hevc.mp4": Clip("libx265", options=QUIET),
    "hevc_10bit.mp4": Clip("libx265", "yuv420p10le", options=QUIET),
    "vp9.webm": Clip("libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
    "av1.webm": Clip("libsvtav1", options={"preset": "12"}),
    "mpeg4.avi": Clip("mpeg4"),
    "mpeg2.mpg": Clip("mpeg2video"),
    "rotated_90.mp4": Clip(rotation_deg=90),
    "rotated_180.mp4": Clip(rotation_deg=180),
    "rotated_270.mp4": Clip(rotation_deg=270),
    "rotated_10bit.mp4": Clip("libx265", "yuv420p10le", options=QUIET, rotation_deg=90),
    "variable_rate.mkv": Clip(times_s=tuple(0.01 * number**1.3 for number in range(FRAMES))),
    "one_frame.mp4": Clip(frames=1),
    "open_gop.mp4": Clip(options={"x264-params": "open-gop=1:keyint=12:min-keyint=1:bframes=3:scenecut=0"}),
    "intra_refresh.mp4": Clip(options={"x264-params": "intra-refresh=1:keyint=12:bframes=0"}),
    "mpeg4_b.mp4": Clip("mpeg4", options={"bf": "2"}),
    "long_gop.mp4": Clip(options={"g": "48", "bf": "3"}),
}


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A clip of CLIPS by its name, encoded at its first use."""
    folder = tmp_path_factory.mktemp("clips")

    def made(name: str) -> Path:
        path = folder / name
        return path if path.exists() else write_clip(path, CLIPS[name])

    return made


@pytest.fixture(scope="session")
def animation(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """An animation of five numbered frames, 100, 200, 300, 400 and 500 ms long: gif, webp or png."""
    folder = tmp_path_factory.mktemp("animations")

    def made(kind: str) -> Path:
        path = folder / f"animation.{kind}"
        return path if path.exists() else write_animation(path, [100, 200, 300, 400, 500], kind.upper())

    return made


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sound(tmp_path_factory.mktemp("sound") / "sound.mp4")


@pytest.fixture
def request_for() -> Callable[..., DecodeRequest]:
    """A request for a file: `request_for(path, tile_size=…, max_tiles=…, limits=…, num_segments=…, …)`."""

    def made(
        path: Path | str,
        *,
        tiling: TilingSpec = TilingSpec(56, 6),  # noqa: B008 - frozen
        limits: DecodeLimits = DecodeLimits(),
        name: str | None = None,
        **sampling: object,
    ) -> DecodeRequest:
        return DecodeRequest(str(path), name or f"s3://bucket/{Path(path).name}", Sampling(**sampling), tiling, limits)

    return made


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[StuckFile]:
    file = StuckFile(tmp_path / "stuck.mp4")
    yield file
    file.release()
