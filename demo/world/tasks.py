"""What may be asked of a media file and the right answers, as `truth.jsonl` holds them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from demo.world.chinese import CAPTION_PROMPT, chinese_asks, chinese_caption, chinese_motion, chinese_phrase
from demo.world.more_questions import absent_phrases, dialogue, event_asks, event_of, more_asks, pair_asks
from demo.world.questions import AskTask, GroundTask, asks, caption, grounds, video_asks, video_caption
from demo.world.scene import Box, Scene, Shape
from demo.world.truth import Truth

if TYPE_CHECKING:
    from demo.world.media import MediaSpec

Task = dict[str, Any]


def truth_of(scenes: Sequence[Scene], spec: MediaSpec, rng: random.Random, more: random.Random) -> Truth:
    """Everything that is asked of one media; what goes beyond the plain questions is drawn from `more`."""
    if spec.kind == "pair":
        return _truth(spec, "images", _pair(scenes, spec))
    scene = scenes[0]
    tasks = _plain(scene, spec, rng)
    if spec.kind != "plain":
        tasks += _more(scene, spec, more)
    return _truth(spec, "video" if spec.is_video else "image", tasks)


def _truth(spec: MediaSpec, kind: str, tasks: Iterable[Task]) -> Truth:
    duration_s = spec.frames / spec.fps if spec.is_video else 0.0
    fps = float(spec.fps) if spec.is_video else 0.0
    media = spec.files if len(spec.files) > 1 else spec.name
    labelled = tuple({"language": "en", "scene": spec.kind, **task} for task in tasks)
    return Truth(media, kind, *spec.size, duration_s, fps, spec.frames, labelled)


def _plain(scene: Scene, spec: MediaSpec, rng: random.Random) -> list[Task]:
    words = video_caption(scene) if spec.is_video else caption(scene)
    questions = video_asks(scene, rng) if spec.is_video else asks(scene, rng)
    tasks = [{"kind": "caption", "truth": words}, *(_ask(task) for task in questions)]
    return tasks + [_ground(task, [scene], spec) for task in grounds(scene)]


def _more(scene: Scene, spec: MediaSpec, rng: random.Random) -> list[Task]:
    tasks = [_ground(task, [scene], spec) for task in absent_phrases(scene, rng)]
    if spec.is_video:
        tasks += [_ask(task) for task in event_asks(scene)]
        return [*tasks, {**_ask(chinese_motion(scene, rng)), "language": "zh"}]
    tasks += [_ask(task) for task in more_asks(scene)]
    rounds = dialogue(scene, rng)
    talk = {"questions": [task.question for task in rounds], "truths": [task.truth for task in rounds]}
    return [*tasks, {"kind": "ask", **talk, "slice": "dialogue"}, *_chinese(scene, spec, rng)]


def _chinese(scene: Scene, spec: MediaSpec, rng: random.Random) -> Iterator[Task]:
    tasks: list[Task] = [{"kind": "caption", "prompt": CAPTION_PROMPT, "truth": chinese_caption(scene)}]
    tasks += [_ask(task) for task in chinese_asks(scene, rng)]
    tasks += [_ground(chinese_phrase(scene, rng), [scene], spec)]
    return ({**task, "language": "zh"} for task in tasks)


def _pair(scenes: Sequence[Scene], spec: MediaSpec) -> list[Task]:
    """What two images have in common, and where each shape of the first is in both."""
    tasks = [_ask(task) for task in pair_asks((scenes[0], scenes[1]))]
    names = dict.fromkeys(task.phrase for task in grounds(scenes[0]) if len(task.shapes) == 1)
    return tasks + [_ground(GroundTask(phrase, ()), scenes, spec) for phrase in names]


def _ask(task: AskTask) -> Task:
    return {"kind": "ask", "question": task.question, "truth": task.truth, "slice": task.slice}


def _ground(task: GroundTask, scenes: Sequence[Scene], spec: MediaSpec) -> Task:
    """Of one scene by the shapes' places; of several by the phrase, in each."""
    named = [(0, scenes[0].shapes[i]) for i in task.shapes]
    if len(scenes) > 1:
        named = [
            (image, scene.shapes[i])
            for image, scene in enumerate(scenes)
            for other in grounds(scene)
            if _one(other.phrase) == _one(task.phrase)
            for i in other.shapes
        ]
    last = spec.frames - 1
    boxes = [
        _box(spec, image, shape, i)
        for i in ((0, last) if spec.is_video else (0,))
        for image, shape in named
        if shape.is_there(float(i > 0))
    ]
    return {"kind": "ground", "phrase": task.phrase, "boxes": boxes, "tracks": [_track(spec, *each) for each in named]}


def _one(phrase: str) -> str:
    return phrase.removesuffix("s")


def _box(spec: MediaSpec, image: int, shape: Shape, index: int) -> Task:
    box_px = _rounded(shape.box(spec.size, float(index > 0)))
    where = {"image": image} if spec.kind == "pair" else {}
    return {"frame_index": index, "timestamp_s": index / spec.fps, "box_px": box_px, **where}


def _track(spec: MediaSpec, image: int, shape: Shape) -> Task:
    where = {"image": image} if spec.kind == "pair" else {}
    if event_of(shape):
        there = [i for i in range(spec.frames) if shape.is_there(i / (spec.frames - 1))]
        box_px = _rounded(shape.box(spec.size))
        return {"points": [{"frame_index": i, "box_px": box_px} for i in (there[0], there[-1])]}
    return {"start_px": _rounded(shape.box(spec.size)), "end_px": _rounded(shape.box(spec.size, 1.0)), **where}


def _rounded(box: Box) -> list[float]:
    return [round(value, 2) for value in box]
