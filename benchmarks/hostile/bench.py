"""Hostile media through a worker's storage and decoders: right frames, or a typed error that names the file.

About 250 files are made on the spot (`--seed`): odd but sound ones, damaged ones, bombs, playlists and links that
point at a file outside the roots and at a server that counts its visitors, odd names, and sound files with changed
bytes (`--rounds` of each kind). One worker process and one decode pool read them all, within 1 GB of memory and 20 s
each.

The last line counts: `right_frames` (compared with what was drawn), `typed_errors`, `counted_damage` (other frames,
and `decode_errors` says so), `unseen_damage` (changed bytes that decode to other pictures without any objection:
formats without checksums), `untyped` and `wrong_frames` (which must be 0), `over_limits`, restarts of the worker and
the server's visitors.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from benchmarks.hostile import fuzz, images, traps, videos
from benchmarks.hostile.canary import canary
from benchmarks.hostile.cases import Case, Scene
from benchmarks.hostile.judge import Outcome, outcome
from benchmarks.hostile.mill import Seen, Worker
from benchmarks.hostile.pictures import SECRET_COLOUR

MEMORY_MB = 1024
TIMEOUT_S = 20
SLACK_MB = 256
"""Of a decoder beside what the limit counts: libraries that are mapped, and the tiles."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1, help="changed files per sound file and kind of change")
    parser.add_argument("--only", default="", help="files whose names contain this")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    found: Counter[str] = Counter()
    over = 0
    with tempfile.TemporaryDirectory() as folder, canary() as server:
        scene = made_scene(Path(folder), server.url, arguments.seed)
        wanted = [case for case in all_cases(arguments.rounds) if arguments.only in case.name]
        worker = Worker(settings_for(scene))
        try:
            for judged in judge(wanted, scene, worker):
                found[judged.outcome] += 1
                over += judged.over_limits
                sys.stdout.write(json.dumps(judged.line()) + "\n")
                sys.stdout.flush()
        finally:
            worker.close()
        hits, restarts = server.hits, max(0, worker.restarts)
    return {
        "files": sum(found.values()),
        "right_frames": found["right_frames"],
        "typed_errors": found["typed_error"],
        "counted_damage": found["counted_damage"],
        "unseen_damage": found["unseen_damage"],
        "untyped": found["untyped"],
        "wrong_frames": found["wrong_frames"],
        "over_limits": over,
        "worker_restarts": restarts,
        "canary_hits": hits,
    }


@dataclass(frozen=True, slots=True)
class Judged:
    """A file and what came of it."""

    name: str
    outcome: Outcome
    seen: Seen

    @property
    def over_limits(self) -> bool:
        """Whether it cost more than it may."""
        return self.seen.peak_mb > MEMORY_MB + SLACK_MB or self.seen.seconds > TIMEOUT_S + 5

    def line(self) -> dict[str, Any]:
        """As it is printed."""
        return {
            "file": self.name.encode("utf-8", "backslashreplace").decode(),
            "outcome": self.outcome,
            "code": self.seen.code,
            "decode_errors": self.seen.decode_errors,
            "seconds": round(self.seen.seconds, 2),
            "peak_mb": round(self.seen.peak_mb),
            "problem": self.seen.problem,
        }


def all_cases(rounds: int) -> list[Case]:
    """Every file."""
    made = [*images.cases(), *videos.cases(), *traps.cases()]
    sound = [case for case in [*images.cases(), *videos.cases()] if case.expect == "frames" and case.truth != "any"]
    return [*made, *fuzz.cases([case for case in sound if case.name in FUZZED], rounds)]


FUZZED = frozenset(
    {"plain.jpg", "progressive.jpg", "plain.png", "lossy.webp", "animated.gif", "animated.png", "animated.webp"}
    | {"lzw.tiff", "plain.bmp", "plain.jp2", "plain.avif", "plain.qoi", "16_bits.png", "profile.jpg"}
    | {"h264.mp4", "h264.mkv", "h264.ts", "h264.flv", "hevc.mp4", "vp9.webm", "av1.webm", "mpeg4.avi", "mpeg2.mpg"}
)


def made_scene(folder: Path, canary_url: str, seed: int) -> Scene:
    """The folder that may be read, and beside it the file that may not."""
    media = folder / "media"
    media.mkdir()
    secret = folder / "secret.png"
    Image.new("RGB", (320, 240), SECRET_COLOUR).save(secret)
    return Scene(media, secret, canary_url, seed)


def settings_for(scene: Scene) -> dict[str, Any]:
    """A worker's, but with small limits."""
    return {
        "file_roots": (scene.folder,),
        "download_dir": scene.folder.parent / "downloads",
        "decode_processes": 1,
        "decode_memory_mb": MEMORY_MB,
        "decode_timeout_s": TIMEOUT_S,
    }


def judge(cases: list[Case], scene: Scene, worker: Worker) -> Iterator[Judged]:
    """Make, read and remove one file after the other."""
    for case in cases:
        path = scene.folder / case.name
        case.make(path, scene)
        seen = worker.look("file://" + quote(str(path).encode("utf-8", "surrogateescape")))
        yield Judged(case.name, outcome(case, seen), seen)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
