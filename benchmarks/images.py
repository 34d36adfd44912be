"""The published `load_image` against ours: photos as JPEG and PNG, decoding included, on one core and on two.

The published side is the model cards' code (decode, resize, crop, then ToTensor and Normalize per tile) without
torchvision; ours is what a decoder process does (`extract`), then the model room's normalisation on this CPU. With a
GPU that last step is the GPU's: the `tiles` ratios leave it out on our side. One core is counted in CPU seconds of the
process, two cores in wall time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from benchmarks._published import load_image
from pipelines.media.decode import DecodePool
from pipelines.media.extract import extract
from pipelines.media.types import DecodeRequest, Tiles, TilingSpec
from pipelines.model.pixels import normalised
from reelmill.schema.tasks import Sampling

TILE_SIZE, MAX_TILES = 448, 12
CPU = torch.device("cpu")
Resize = Literal["exact", "fast"]


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture of the mix: what phones, cameras, web pages and screens make."""

    kind: str
    width: int
    height: int


MIX = (
    Photo("jpg", 4000, 3000),
    Photo("jpg", 3024, 4032),
    Photo("jpg", 3000, 2000),
    Photo("jpg", 2048, 1365),
    Photo("jpg", 1920, 1080),
    Photo("jpg", 1280, 960),
    Photo("jpg", 800, 1200),
    Photo("jpg", 640, 480),
    Photo("png", 4000, 3000),
    Photo("png", 1920, 1080),
    Photo("png", 1170, 2532),
    Photo("png", 512, 512),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=5)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = [_write(Path(folder), number, photo) for number, photo in enumerate(MIX)]
        jpegs, pngs = ([file for file in files if file.suffix == kind] for kind in (".jpg", ".png"))
        one = {kind: _one_core(some, arguments.repeats) for kind, some in (("jpeg", jpegs), ("png", pngs))}
        two = _two_cores(files, arguments.repeats)
        differences = {resize: _differences(files, resize) for resize in ("exact", "fast")}
    total = _Seconds(*(sum(getattr(one[kind], name) for kind in one) for name in _Seconds.__slots__))
    return {
        "ratio_exact": round(total.published / total.exact, 2),
        "ratio_fast": round(total.published / total.fast, 2),
        "ratio_exact_tiles": round(total.published / total.exact_tiles, 2),
        "ratio_fast_tiles": round(total.published / total.fast_tiles, 2),
        **{f"{kind}_{name}": round(value, 2) for kind in one for name, value in _ratios(one[kind]).items()},
        **{f"two_cores_{name}": round(value, 2) for name, value in _ratios(two).items()},
        "max_diff_exact": max(d.worst for d in differences["exact"]),
        "max_diff_fast": max(d.worst for d in differences["fast"]),
        "mean_diff_fast": round(statistics.mean(d.mean for d in differences["fast"]), 3),
        "share_over_2_fast": round(statistics.mean(d.share_over_2 for d in differences["fast"]), 5),
        "published_ms_per_image": round(total.published / len(files) * 1000, 1),
    }


@dataclass(frozen=True, slots=True)
class _Seconds:
    """Medians for all pictures once; `…_tiles` without normalisation."""

    published: float
    exact: float
    fast: float
    exact_tiles: float
    fast_tiles: float


def _ratios(seconds: _Seconds) -> dict[str, float]:
    return {"exact": seconds.published / seconds.exact, "fast": seconds.published / seconds.fast}


def _one_core(files: list[Path], repeats: int) -> _Seconds:
    sides = (
        lambda: [load_image(file, TILE_SIZE, MAX_TILES) for file in files],
        lambda: [_normal(_tiles(file, "exact")) for file in files],
        lambda: [_normal(_tiles(file, "fast")) for file in files],
        lambda: [_tiles(file, "exact") for file in files],
        lambda: [_tiles(file, "fast") for file in files],
    )
    return _interleaved(sides, repeats, time.process_time)


def _two_cores(files: list[Path], repeats: int) -> _Seconds:
    """Two processes on each side. Published pixels stay in their process; our tiles arrive here."""
    with (
        ProcessPoolExecutor(2, get_context("spawn")) as loaders,
        DecodePool(2) as decoders,
        ThreadPoolExecutor(2) as ours,
    ):

        def decoded(resize: Resize) -> Callable[[], list[object]]:
            return lambda: list(ours.map(lambda file: _normal(decoders.decode(_request(file, resize)).tiles), files))

        def tiled(resize: Resize) -> Callable[[], list[object]]:
            return lambda: list(ours.map(lambda file: decoders.decode(_request(file, resize)).tiles.shape, files))

        sides = (
            lambda: list(loaders.map(_load_and_keep, files)),
            decoded("exact"),
            decoded("fast"),
            tiled("exact"),
            tiled("fast"),
        )
        return _interleaved(sides, repeats, time.perf_counter)


def _load_and_keep(file: Path) -> int:
    torch.set_num_threads(1)
    return len(load_image(file, TILE_SIZE, MAX_TILES))


def _interleaved(sides: Iterable[Callable[[], object]], repeats: int, clock: Callable[[], float]) -> _Seconds:
    sides = tuple(sides)
    times: list[list[float]] = [[] for _ in sides]
    for repeat in range(repeats + 1):
        for side, taken in zip(sides, times, strict=True):
            started = clock()
            side()
            if repeat:  # the first one warms up
                taken.append(clock() - started)
    return _Seconds(*(statistics.median(taken) for taken in times))


def _request(file: Path, resize: Resize) -> DecodeRequest:
    return DecodeRequest(str(file), file.name, Sampling(), TilingSpec(TILE_SIZE, MAX_TILES, resize=resize))


def _tiles(file: Path, resize: Resize) -> Tiles:
    return extract(_request(file, resize)).tiles


def _normal(tiles: Tiles) -> torch.Tensor:
    return normalised(tiles, CPU)


@dataclass(frozen=True, slots=True)
class _Difference:
    """Between published and our pixels: `worst` in pixel values for exact tiles, else in levels of 255."""

    worst: float
    mean: float
    share_over_2: float


def _differences(files: list[Path], resize: Resize) -> list[_Difference]:
    found = []
    for file in files:
        published, tiles = load_image(file, TILE_SIZE, MAX_TILES), _tiles(file, resize)
        if resize == "exact":
            found.append(_Difference(float((published - _normal(tiles)).abs().max()), 0.0, 0.0))
        else:
            levels = np.abs(_tiles(file, "exact").astype(np.int16) - tiles)
            found.append(_Difference(float(levels.max()), float(levels.mean()), float((levels > 2).mean())))
    return found


def _write(folder: Path, number: int, photo: Photo) -> Path:
    path = folder / f"{number}.{photo.kind}"
    Image.fromarray(photo_like(photo.width, photo.height, number)).save(path, quality=90)
    return path


def photo_like(width: int, height: int, seed: int) -> npt.NDArray[np.uint8]:
    """RGB with detail at every scale and a sensor's noise: [height, width, 3]."""
    random = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3), np.float32)
    for cell_px, strength in ((512, 0.45), (128, 0.25), (32, 0.15), (8, 0.1), (3, 0.05)):
        cells = random.integers(0, 256, (height // cell_px + 2, width // cell_px + 2, 3), dtype=np.uint8)
        pixels += strength * np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC))
    pixels += random.normal(0, 2.0, (height, width, 1)).astype(np.float32)
    return pixels.clip(0, 255).astype(np.uint8)
