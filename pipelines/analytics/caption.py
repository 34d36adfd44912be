"""Caption: one description per segment."""

from __future__ import annotations

from pipelines.analytics.dialogue import Dialogue, generated
from pipelines.analytics.prompts import CAPTION_PROMPTS, about
from pipelines.analytics.scene import Scene
from pipelines.model.types import ChatRequest
from reelmill.schema import Caption, CaptionResult


def caption(task_index: int, task: Caption, scene: Scene) -> Dialogue[CaptionResult]:
    """Ask for a description of the scene."""
    question = about(scene, task.prompt or CAPTION_PROMPTS[scene.kind])
    (completion,) = yield [ChatRequest(question, scene.visual)]
    return [CaptionResult(scene.segment.ordinal, task_index, generated(completion))]
