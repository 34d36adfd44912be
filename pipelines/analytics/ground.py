"""Ground: where each phrase is, picture by picture (every sampled frame of a video is looked at alone)."""

from __future__ import annotations

from pipelines.analytics.boxes import MalformedBoxesError, RawBox, parse_boxes
from pipelines.analytics.dialogue import Dialogue, generated
from pipelines.analytics.prompts import where_is
from pipelines.analytics.scene import Picture, Scene
from pipelines.model.types import ChatRequest, Completion
from reelmill.schema import Ground, GroundingResult


def ground(task_index: int, task: Ground, scene: Scene) -> Dialogue[GroundingResult]:
    """Ask for each phrase in each picture of the scene."""
    views = [scene.picture_alone(index) for index in range(len(scene.pictures))]
    asked = [
        (phrase, picture, view) for phrase in task.phrases for picture, view in zip(scene.pictures, views, strict=True)
    ]
    completions = yield [ChatRequest(where_is(phrase), view) for phrase, _, view in asked]
    return [
        _observe(scene.segment.ordinal, task_index, ordinal, phrase, picture, completion)
        for ordinal, ((phrase, picture, _), completion) in enumerate(zip(asked, completions, strict=True))
    ]


def _observe(
    segment: int, task: int, ordinal: int, phrase: str, picture: Picture, completion: Completion
) -> GroundingResult:
    found: tuple[RawBox, ...] = ()
    problem = None
    try:
        found = parse_boxes(completion.raw_text, phrase)
    except MalformedBoxesError as error:
        problem = str(error)
    return GroundingResult(
        segment=segment,
        task=task,
        ordinal=ordinal,
        phrase=phrase,
        frame=picture.frame,
        status="malformed" if problem else "found" if found else "absent",
        generated=generated(completion),
        boxes=tuple(box.in_source(picture.width, picture.height) for box in found),
        problem=problem,
    )
