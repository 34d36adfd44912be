"""The shapes model as a detector: each stage is broken on purpose, and the scores fall clearly.

Without that, good scores would prove nothing about decoding, tiling, prompting and coordinates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from demo.straight import StraightMill
from demo.world import MediaSpec, plan, write_world
from pipelines.analytics.boxes import RawBox
from pipelines.cancellation import Cancellation
from pipelines.media.decode import DecodePool
from pipelines.media.types import DecodedMedia, DecodeRequest
from pipelines.model import internvl
from pipelines.model.load import load_backend
from pipelines.model.template import TEMPLATES, Conversation, Template, build_prompt
from pipelines.model.types import Backend, ChatRequest, ModelInfo
from reelmill.eval.labelled_file import read_labelled
from reelmill.eval.run import Questioning
from reelmill.eval.scores import scores
from reelmill.eval.truth import LabelledMedia, TrueBoxes, TrueTask
from reelmill.schema import Box, Generation, Sampling
from reelmill.settings import Settings
from tests.workers import SHAPES_MODEL
from worker.runner import Runner
from worker.storage import Storage

Damage = Callable[[DecodedMedia], DecodedMedia]
Scores = Mapping[str, float]
IMAGES = 20
SHORT_VIDEOS = [MediaSpec(f"vid_{number:04d}.mp4", (320, 240), frames=24) for number in range(20)]
"""Small, because rendering takes most of the time; the model sees one tile of 112 pixels per frame anyway."""
ALL = Sampling()


class DamagedDecoders(DecodePool):
    """Decodes as it should, then lets `damage` spoil the result."""

    damage: Damage | None = None

    def decode(self, request: DecodeRequest, cancellation: Cancellation | None = None) -> DecodedMedia:
        decoded = super().decode(request, cancellation)
        return self.damage(decoded) if self.damage else decoded


@dataclass
class Forgetful:
    """A backend that encodes pictures anew in every run: damaged tiles have the keys of good ones."""

    backend: Backend
    run: int = 0

    @property
    def info(self) -> ModelInfo:
        return self.backend.info

    def submit(self, request: ChatRequest) -> object:
        keys = tuple(f"{self.run}/{key}" for key in request.visual.content_keys) if request.visual else ()
        visual = replace(request.visual, content_keys=keys) if request.visual else None
        return self.backend.submit(replace(request, visual=visual))


@dataclass
class Bench:
    """A whole mill in this process, with its decoders open to damage."""

    decoders: DamagedDecoders
    backend: Forgetful
    folder: Path
    images: list[LabelledMedia] = field(default_factory=list)
    videos: list[LabelledMedia] = field(default_factory=list)

    def scores(self, media: list[LabelledMedia], damage: Damage | None = None, sampling: Sampling = ALL) -> Scores:
        self.decoders.damage = damage
        self.backend.run += 1
        settings = Settings(file_roots=(self.folder.resolve(),))
        runner = Runner(settings, Storage(settings), self.decoders, self.backend, self.folder)  # type: ignore[arg-type]
        asking = Questioning(sampling=sampling, generation=Generation(max_new_tokens=64))
        judged = StraightMill(runner).judged(media, asking)
        return {s.metric: s.value for s in scores([verdict for each in judged for verdict in each.verdicts])}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, 31, [*plan(IMAGES, video_share=0.0, plain=True), *SHORT_VIDEOS])
    media = [replace(each, tasks=tuple(_with_one_phrase(each.tasks))) for each in read_labelled(folder)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    backend = load_backend(str(SHAPES_MODEL), dtype="float32", device="cpu")
    with DamagedDecoders(processes=1) as decoders:
        yield Bench(decoders, Forgetful(backend), folder, media[:IMAGES], media[IMAGES:])
    backend.close()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def good_images(bench: Bench) -> Scores:
    return bench.scores(bench.images)


@pytest.fixture(scope="module")
def good_videos(bench: Bench) -> Scores:
    return bench.scores(bench.videos)


def _with_one_phrase(tasks: tuple[TrueTask, ...]) -> Iterator[TrueTask]:
    """Everything but phrases, and the first phrase that names one thing: those the model is good at."""
    yield from (task for task in tasks if not isinstance(task, TrueBoxes))
    yield from [task for task in tasks if isinstance(task, TrueBoxes) and len(task.tracks) == 1][:1]


def swapped_tiles(decoded: DecodedMedia) -> DecodedMedia:
    """Every picture's tiles in the opposite order, the thumbnail still last."""
    tiles = np.array(decoded.tiles)
    if len(tiles) > 2:
        tiles[:-1] = tiles[-2::-1].copy()
    return replace(decoded, tiles=tiles)


def one_frame_off(decoded: DecodedMedia) -> DecodedMedia:
    """Every sampled frame shows the one before it; the first shows the last."""
    return replace(decoded, tiles=np.roll(np.array(decoded.tiles), 1, axis=0))


def test_whole_stages_score_well(good_images: Scores, good_videos: Scores) -> None:
    assert good_images["boxes_iou50"] > 0.75
    assert good_images["captions_exact"] > 0.85
    assert good_images["counts"] > 0.8
    assert good_videos["boxes_iou50"] > 0.7
    assert good_videos["motion"] > 0.55


def test_swapped_tiles_show(bench: Bench, good_images: Scores) -> None:
    found = bench.scores(bench.images, swapped_tiles)
    assert found["captions_exact"] < good_images["captions_exact"] - 0.2


def test_a_missing_thumbnail_shows(bench: Bench, good_images: Scores) -> None:
    found = bench.scores(bench.images, sampling=Sampling(thumbnail=False))
    assert found["boxes_iou50"] < good_images["boxes_iou50"] - 0.5
    assert found["captions_exact"] < good_images["captions_exact"] - 0.5


def test_being_one_frame_off_shows(bench: Bench, good_videos: Scores) -> None:
    found = bench.scores(bench.videos, one_frame_off)
    assert found["boxes_iou50"] < good_videos["boxes_iou50"] - 0.15
    assert found["captions_exact"] < good_videos["captions_exact"] - 0.1


def test_swapped_axes_of_boxes_show(bench: Bench, good_images: Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    right = RawBox.in_source

    def swapped(box: RawBox, width: int, height: int) -> Box:
        return right(RawBox(box.label, box.y1, box.x1, box.y2, box.x2), width, height)

    monkeypatch.setattr(RawBox, "in_source", swapped)
    found = bench.scores(bench.images)
    assert found["boxes_iou50"] < good_images["boxes_iou50"] - 0.5
    assert found["captions_exact"] == good_images["captions_exact"]


@pytest.mark.parametrize(("name", "fall"), [("internlm2-chat", 0.1), ("phi3-chat", 0.5)])
def test_the_wrong_template_shows(
    bench: Bench, good_images: Scores, name: str, fall: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrongly(template: Template, conversation: Conversation, tokens: list[int], system: str | None = None) -> str:
        return build_prompt(TEMPLATES[name], conversation, tokens)

    monkeypatch.setattr(internvl, "build_prompt", wrongly)
    found = bench.scores(bench.images)
    assert found["boxes_iou50"] < good_images["boxes_iou50"] - fall
    assert found["captions_exact"] < good_images["captions_exact"] - fall
