"""truth.jsonl: one line per media, with everything that may be asked of it and the right answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from demo.world.scene import Box

TRUTH_FILE = "truth.jsonl"


@dataclass(frozen=True)
class Truth:
    """One media, or the two images of a pair. Tasks are plain dicts as they stand in the file:

    - `{"kind": "caption", "truth": str}`, in Chinese with its `prompt`
    - `{"kind": "ask", "question": str, "truth": str, "slice": str}`, or a conversation: `questions`, `truths`
    - `{"kind": "ground", "phrase": str, "boxes": [...], "tracks": [...]}`: boxes of the first (and of a video the
      last) frame, `{"frame_index", "timestamp_s", "box_px"}`, one per shape named that is there (none: the phrase names
      nothing), of a pair with `image`; tracks hold `{"start_px", "end_px"}` per shape, or `points` where it is not
      there all the time: `box_at` computes the boxes of any frame from them.
    """

    media: str | tuple[str, ...]
    kind: str
    width: int
    height: int
    duration_s: float
    fps: float
    frames: int
    tasks: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)


def box_at(track: Mapping[str, Any], frame_index: int, frames: int) -> Box | None:
    """Pixel box of a track in one frame of a media of `frames` frames: motion is linear from first to last.

    None where the shape is not there.
    """
    if "points" in track:
        first, last = track["points"]
        here = first["frame_index"] <= frame_index <= last["frame_index"]
        return tuple(first["box_px"]) if here else None
    t = frame_index / (frames - 1) if frames > 1 else 0.0
    x1, y1, x2, y2 = (a + (b - a) * t for a, b in zip(track["start_px"], track["end_px"], strict=True))
    return (x1, y1, x2, y2)


def write_truth(folder: Path, lines: Iterable[Truth]) -> Path:
    path = folder / TRUTH_FILE
    path.write_text("".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def read_truth(folder: Path) -> Iterator[Truth]:
    """The lines of `truth.jsonl` in a folder that `write_world` filled."""
    for line in (folder / TRUTH_FILE).read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        media = fields["media"] if isinstance(fields["media"], str) else tuple(fields["media"])
        yield Truth(**{**fields, "media": media, "tasks": tuple(fields["tasks"])})
