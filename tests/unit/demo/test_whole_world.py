"""What the world has beyond plain scenes is drawn as it is said, and `reelmill eval` understands all of it."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from demo import text
from demo.straight import StraightMill
from demo.world import MediaSpec, Scene, box_at, plan, read_truth, render, write_world
from demo.world.chinese import CAPTION_PROMPT, chinese_asks, chinese_caption
from demo.world.more_questions import absent_phrases, dialogue, event_asks, more_asks, pair_asks
from demo.world.more_scenes import crowded_scene, eventful_scene, scene_pair, sign_scene
from demo.world.scene import COLOURS, Shape
from pipelines.media.decode import DecodePool
from pipelines.model.types import ChatRequest, Completion, ModelInfo
from reelmill.eval.labelled_file import read_labelled
from reelmill.eval.run import Questioning
from reelmill.eval.scores import HEADLINE, scores
from reelmill.eval.truth import LabelledMedia, TrueAnswer, TrueBoxes, TrueCaption
from reelmill.settings import Settings
from worker.runner import Runner
from worker.storage import Storage

SIZE = (320, 240)
ASPECT = 4 / 3
SPECS = (
    MediaSpec("more.png", SIZE, kind="more"),
    MediaSpec("sign.png", SIZE, kind="sign"),
    MediaSpec("crowded.png", SIZE, kind="crowded"),
    MediaSpec("pair.png", SIZE, kind="pair"),
    MediaSpec("moves.mp4", SIZE, frames=24, kind="more"),
    MediaSpec("events.mp4", SIZE, frames=24, kind="events"),
)


def scene_of(*names: str, radii: tuple[float, ...] = (), **fields: object) -> Scene:
    shapes = []
    for index, name in enumerate(names):
        colour, form = name.split()
        centre, radius = (0.1 + 0.2 * index, 0.5), radii[index] if radii else 0.08
        shapes.append(Shape(colour, form, COLOURS[colour], radius, centre, centre, **fields))  # type: ignore[arg-type]
    return Scene(1.0, (255, 255, 255), tuple(shapes))


def seen(image: np.ndarray, shape: Shape) -> int:
    return int((np.abs(image.astype(int) - np.array(shape.rgb)).sum(axis=-1) < 24).sum())


def test_shapes_that_lie_over_each_other_can_still_be_seen() -> None:
    overlapping = 0
    for seed in range(40):
        scene = crowded_scene(random.Random(seed), ASPECT)
        whole = np.asarray(render(scene, SIZE))
        for shape in scene.shapes:
            alone = seen(np.asarray(render(Scene(ASPECT, scene.background, (shape,)), SIZE)), shape)
            assert seen(whole, shape) > 0.55 * alone
            overlapping += seen(whole, shape) < 0.97 * alone
    assert overlapping > 5


def test_a_sign_has_its_word_inside_and_no_shape_on_it() -> None:
    for seed in range(40):
        scene = sign_scene(random.Random(seed), ASPECT)
        assert scene.sign is not None
        x1, y1, x2, y2 = (round(value) for value in scene.sign.box(SIZE))
        bare = Scene(ASPECT, scene.background, (), scene.sign)
        plate, whole = np.asarray(render(bare, SIZE)), np.asarray(render(scene, SIZE))
        assert np.array_equal(plate[y1:y2, x1:x2], whole[y1:y2, x1:x2])
        edge = plate[y1, x1]
        assert (plate[y1 : y1 + 3, x1:x2] == edge).all()
        assert (plate[y1:y2, x1 : x1 + 2] == edge).all()
        assert (plate[y1:y2, x2 - 2 : x2] == edge).all()
        assert (np.abs(plate[y1:y2, x1:x2].astype(int) - edge).max(axis=-1) > 150).mean() > 0.05


def test_what_appears_or_disappears_is_there_only_while_the_truth_says_so(tmp_path: Path) -> None:
    for seed in range(12):
        scene = eventful_scene(random.Random(seed), ASPECT)
        (shape,) = [shape for shape in scene.shapes if shape.present != (0.0, 1.0)]
        first, last = (seen(np.asarray(render(scene, SIZE, t)), shape) > 50 for t in (0.0, 1.0))
        assert (first, last) == (shape.present[0] == 0.0, shape.present[1] == 1.0)
        assert first != last
    write_world(tmp_path, 3, SPECS[5:])
    (truth,) = read_truth(tmp_path)
    tracks = [track for task in truth.tasks if task["kind"] == "ground" for track in task["tracks"]]
    coming = next(track for track in tracks if "points" in track)
    there = [box_at(coming, index, truth.frames) is not None for index in range(truth.frames)]
    assert there in (sorted(there), sorted(there, reverse=True))
    assert 4 < sum(there) < 20


def test_questions_about_what_comes_and_goes() -> None:
    late = scene_of("red circle", present=(0.7, 1.0))
    assert [(task.question, task.truth) for task in event_asks(late)] == [
        ("Which shape appears?", "red circle"),
        ("When does the red circle appear?", "in the second half"),
    ]
    assert event_asks(scene_of("blue star", present=(0.0, 0.3)))[1].truth == "in the first half"
    assert event_asks(scene_of("blue star")) == []


def test_a_pair_differs_in_one_shape_and_the_answers_say_which() -> None:
    for seed in range(40):
        pair = scene_pair(random.Random(seed), ASPECT)
        asked = {task.question: task.truth for task in pair_asks(pair)}
        names = [[shape.name for shape in scene.shapes] for scene in pair]
        only = [asked[f"Which shape is only in the {place} image?"] for place in ("first", "second")]
        for mine, others, said in ((*names, only[0]), (*names[::-1], only[1])):
            assert said == "none" or (said in mine and said not in others)
        assert only != ["none", "none"]
        more = {-1: "the second", 0: "both the same", 1: "the first"}[int(np.sign(len(names[0]) - len(names[1])))]
        assert asked["Which image has more shapes?"] == more


def test_phrases_that_name_nothing_are_about_what_is_not_there() -> None:
    scene = scene_of("red circle", "blue circle")
    for seed in range(50):
        for task in absent_phrases(scene, random.Random(seed)):
            assert task.phrase.removeprefix("the ") not in {"red circle", "blue circle"}
            assert task.shapes == ()


def test_sizes_signs_dialogues_and_chinese_say_what_is_true() -> None:
    scene = scene_of("red circle", "blue star", radii=(0.2, 0.1))
    asked = {task.question: task.truth for task in more_asks(scene)}
    assert asked == {"Is there a sign?": "no", "Which shape is the largest?": "red circle"}
    assert len(more_asks(scene_of("red circle", "blue star", radii=(0.11, 0.1)))) == 1
    for seed in range(10):
        far, about, count = dialogue(scene, random.Random(seed))
        assert about.truth in far.truth.split()
        assert count.truth == "2"
    assert chinese_caption(scene) == "左边是红色圆形，右边是蓝色星形。"
    assert chinese_caption(scene_of("red star")) == "红色星形。"
    said = {task.question: task.truth for seed in range(20) for task in chinese_asks(scene, random.Random(seed))}
    assert (said["一共有几个图形？"], said["有几个正方形？"], said["圆形是什么颜色？"]) == ("2", "0", "红色")


def test_the_first_files_are_the_same_with_and_without_what_is_more(tmp_path: Path) -> None:
    whole, plain = plan(6), plan(6, plain=True)
    assert [spec.name for spec in whole] == [spec.name for spec in plain]
    for folder, specs in (("whole", whole), ("plain", plain)):
        write_world(tmp_path / folder, 1, [specs[0], specs[4]])
    for name in (whole[0].name, whole[4].name):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


class Oracle:
    """A backend that answers from the truth of a folder, in the model's words."""

    info = ModelInfo("oracle", None, "qwen2", "internvl2_5", "float32", "cpu", 112, 16, 4, True, 4096)

    def __init__(self, media: tuple[LabelledMedia, ...]) -> None:
        self._known: dict[str, tuple[LabelledMedia, int]] = {}
        for each in media:
            for image, uri in enumerate(each.uris):
                content = Path(uri.removeprefix("file://")).read_bytes()
                self._known[hashlib.sha256(content).hexdigest()] = (each, image)

    def submit(self, request: ChatRequest) -> Future[Completion]:
        assert request.visual is not None
        sha256, frame, _ = request.visual.content_keys[0].split("/", 2)
        words = self._answer(*self._known[sha256], int(frame), request)
        future: Future[Completion] = Future()
        future.set_result(Completion(words, words, (1,), 1, "stop"))
        return future

    def _answer(self, media: LabelledMedia, image: int, frame: int, request: ChatRequest) -> str:
        question = request.question.rsplit("<image>\n", 1)[-1]
        for task in media.tasks:
            if (
                isinstance(task, TrueCaption)
                and question in (task.prompt, *CAPTIONS)
                and bool(task.prompt) == (question == CAPTION_PROMPT)
            ):
                return task.truths[0]
            if isinstance(task, TrueAnswer) and question == task.question and bool(task.turn) == bool(request.history):
                return task.truths[0]
            if isinstance(task, TrueBoxes) and question == text.GROUND_PROMPT.format(task.phrase):
                boxes = (text.thousandths(box, SIZE) for box in task.at(image, frame) or ())
                return text.ground_answer(task.phrase, map(text.coarse, boxes))
        raise AssertionError(f"never told: {question}")

    def close(self) -> None: ...


CAPTIONS = (text.IMAGE_CAPTION_PROMPT, text.VIDEO_CAPTION_PROMPT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole")
    write_world(path, 11, SPECS)
    return path


def test_who_says_the_truth_gets_full_marks_in_every_score(folder: Path) -> None:
    media = read_labelled(folder)
    settings = Settings(file_roots=(folder.resolve(),))
    with DecodePool(processes=1) as decoders:
        runner = Runner(settings, Storage(settings), decoders, Oracle(media), folder)
        judged = StraightMill(runner).judged(media, Questioning())
    told = {score.metric: score for score in scores([verdict for each in judged for verdict in each.verdicts])}
    assert {*HEADLINE, "compare", "dialogue", "events", "sizes", "position", "exists"} <= set(told)
    wrong = [(v.place.asked, v.said, v.truth) for each in judged for v in each.verdicts if not v.right]
    assert wrong == []
    assert all(told[name].value == 1.0 for name in told if name != "boxes_mean_iou")
    assert told["boxes_mean_iou"].value > 0.9
    assert told["absent"].count > 20
