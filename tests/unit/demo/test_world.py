"""The shapes world says exactly what it draws."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from demo.world import (
    COLOURS,
    MediaSpec,
    Scene,
    asks,
    box_at,
    caption,
    grounds,
    make_scene,
    plan,
    read_truth,
    render,
    video_asks,
    video_caption,
    write_world,
)
from demo.world.scene import Box, Shape

SPECS = (
    MediaSpec("a.png", (320, 240)),
    MediaSpec("b.jpg", (180, 320)),
    MediaSpec("c.mp4", (320, 180), frames=24, fps=12),
)


def painted_box(image: Image.Image, background: tuple[int, int, int], tolerance: int = 60) -> Box:
    """Extent of everything that differs from the background, in pixels."""
    different = np.abs(np.asarray(image, dtype=int) - np.array(background)).sum(axis=-1) > tolerance
    rows, columns = np.flatnonzero(different.any(axis=1)), np.flatnonzero(different.any(axis=0))
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def alone(scene: Scene, shape: Shape) -> Scene:
    return Scene(scene.aspect, scene.background, (shape,))


def test_the_same_seed_gives_the_same_files_and_truth(tmp_path: Path) -> None:
    one = write_world(tmp_path / "one", 7, SPECS)
    two = write_world(tmp_path / "two", 7, SPECS)
    assert one == two
    for spec in SPECS:
        assert (tmp_path / "one" / spec.name).read_bytes() == (tmp_path / "two" / spec.name).read_bytes()


def test_another_seed_gives_another_world(tmp_path: Path) -> None:
    assert write_world(tmp_path / "one", 7, SPECS[:1]) != write_world(tmp_path / "two", 8, SPECS[:1])


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (448, 448), (640, 360), (1920, 1080)])
def test_boxes_are_where_the_pixels_are(size: tuple[int, int]) -> None:
    for seed in range(8):
        scene = make_scene(random.Random(seed), size[0] / size[1])
        for shape in scene.shapes:
            drawn = painted_box(render(alone(scene, shape), size), scene.background)
            assert drawn == pytest.approx(shape.box(size), abs=2.0)


def test_boxes_follow_a_moving_shape() -> None:
    size = (640, 360)
    for seed in range(8):
        scene = make_scene(random.Random(seed), 16 / 9, moving=True)
        for shape in scene.shapes:
            for t in (0.0, 0.4, 1.0):
                drawn = painted_box(render(alone(scene, shape), size, t), scene.background)
                assert drawn == pytest.approx(shape.box(size, t), abs=2.0)


def test_shapes_have_their_colour_at_their_centre() -> None:
    for seed in range(30):
        scene = make_scene(random.Random(seed))
        image = render(scene, (300, 300))
        for shape in scene.shapes:
            x, y = (int(300 * value) for value in shape.centre(0.0))
            pixel = np.array(image.getpixel((x, y)))
            nearest = min(COLOURS, key=lambda name: int(np.abs(pixel - np.array(COLOURS[name])).sum()))
            assert nearest == shape.colour


def test_shapes_never_touch_and_stay_inside() -> None:
    for seed in range(60):
        scene = make_scene(random.Random(seed), 16 / 9, moving=seed % 2 == 0)
        for t in (0.0, 0.5, 1.0):
            boxes = [shape.box((1600, 900), t) for shape in scene.shapes]
            for i, (x1, y1, x2, y2) in enumerate(boxes):
                assert x1 >= 0
                assert y1 >= 0
                assert x2 <= 1600
                assert y2 <= 900
                for a1, b1, a2, b2 in boxes[:i]:
                    assert x2 < a1 or a2 < x1 or y2 < b1 or b2 < y1


def test_a_video_shows_its_truth_in_any_frame(tmp_path: Path) -> None:
    spec = SPECS[2]
    write_world(tmp_path, 3, [spec])
    (truth,) = read_truth(tmp_path)
    assert (truth.kind, truth.width, truth.height, truth.frames, truth.duration_s) == ("video", 320, 180, 24, 2.0)
    with av.open(str(tmp_path / spec.name)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    assert len(frames) == truth.frames
    background = frames[0].getpixel((0, 0))
    assert isinstance(background, tuple)
    tracks = {str(task["tracks"]): task["tracks"] for task in truth.tasks if task["kind"] == "ground"}
    shapes = {str(track): track for group in tracks.values() for track in group}.values()
    for index in (0, 11, 23):
        boxes = [box_at(track, index, truth.frames) for track in shapes]
        union = (*np.min(boxes, axis=0)[:2], *np.max(boxes, axis=0)[2:])
        drawn = painted_box(frames[index], (background[0], background[1], background[2]), tolerance=100)
        assert drawn == pytest.approx(union, abs=4.0)


def test_truth_lines_name_every_kind_of_task(tmp_path: Path) -> None:
    write_world(tmp_path, 1, SPECS)
    for truth in read_truth(tmp_path):
        assert {task["kind"] for task in truth.tasks} == {"caption", "ask", "ground"}
        for task in truth.tasks:
            if task["kind"] == "ground":
                assert task["phrase"].startswith("the ")
                assert all(len(box["box_px"]) == 4 for box in task["boxes"])


def scene_of(*names: str, direction: str | None = None) -> Scene:
    shapes = []
    for index, name in enumerate(names):
        colour, form = name.split()
        centre = (0.1 + 0.2 * index, 0.5)
        shapes.append(Shape(colour, form, COLOURS[colour], 0.08, centre, centre, direction))
    return Scene(1.0, (255, 255, 255), tuple(shapes))


def test_captions_are_canonical() -> None:
    assert caption(scene_of("orange star")) == "An orange star."
    pair = scene_of("red circle", "blue square")
    assert caption(pair) == "A red circle on the left and a blue square on the right."
    three = scene_of("red circle", "blue square", "red star")
    assert caption(three) == "A red circle on the left, a blue square in the middle and a red star on the right."
    four = scene_of("red circle", "blue square", "red star", "red star")
    assert caption(four) == "From left to right: a red circle, a blue square, a red star and a red star."
    moving = scene_of("red circle", "blue square", direction="up")
    assert video_caption(moving) == "A red circle moves up and a blue square moves up."


def test_phrases_name_one_or_several_shapes() -> None:
    named = {task.phrase: task.shapes for task in grounds(scene_of("red circle", "blue circle", "red circle"))}
    assert named == {"the red circles": (0, 2), "the blue circle": (1,), "the circles": (0, 1, 2)}


def test_questions_have_the_answers_that_the_scene_gives() -> None:
    scene = scene_of("red circle", "blue circle", "red circle")
    answers: dict[str, set[str]] = {}
    for seed in range(200):
        for task in asks(scene, random.Random(seed)):
            answers.setdefault(task.question, set()).add(task.truth)
    assert all(len(truths) == 1 for truths in answers.values())
    assert answers["How many red circles are there?"] == {"2"}
    assert answers["How many shapes are there?"] == {"3"}
    assert answers["Is there a blue circle?"] == {"yes"}
    assert answers["Which shape is farthest to the left?"] == {"red circle"}
    assert answers["What shape is the blue object?"] == {"circle"}


def test_questions_about_motion() -> None:
    scene = scene_of("red circle", direction="down")
    asked = {task.question: task.truth for seed in range(20) for task in video_asks(scene, random.Random(seed))}
    assert asked["Which direction does the red circle move?"] == "down"
    assert asked["Does the red circle move?"] == "yes"
    assert asked["How many shapes move?"] == "1"


def test_a_plan_has_the_files_that_were_asked_for() -> None:
    specs = plan(10, video_share=0.3, long_videos=1)
    assert len(specs) == 10
    assert len({spec.name for spec in specs}) == 10
    assert sum(spec.is_video for spec in specs) == 3
    assert (1920, 1080) in {spec.size for spec in specs if not spec.is_video}
    longest = max(specs, key=lambda spec: spec.frames)
    assert longest.frames / longest.fps == 60
    assert longest.size == (1920, 1080)
