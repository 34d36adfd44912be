"""Ask: independent questions about a segment, or the turns of one conversation."""

from __future__ import annotations

from pipelines.analytics.dialogue import Dialogue, generated
from pipelines.analytics.prompts import about
from pipelines.analytics.scene import Scene
from pipelines.model.types import ChatRequest, Completion
from reelmill.schema import AnswerResult, Ask


def ask(task_index: int, task: Ask, scene: Scene) -> Dialogue[AnswerResult]:
    """Ask the task's questions: all at once, or each turn with the ones before as its history."""
    if task.conversation:
        completions = yield from _converse(task, scene)
    else:
        completions = yield [ChatRequest(about(scene, question), scene.visual) for question in task.questions]
    return [
        AnswerResult(scene.segment.ordinal, task_index, ordinal, question, generated(completion))
        for ordinal, (question, completion) in enumerate(zip(task.questions, completions, strict=True))
    ]


def _converse(task: Ask, scene: Scene) -> Dialogue[Completion]:
    history: tuple[tuple[str, str], ...] = ()
    completions = []
    for turn, text in enumerate(task.questions):
        question = about(scene, text) if turn == 0 else text
        (completion,) = yield [ChatRequest(question, scene.visual, history)]
        history = (*history, (question, completion.text))
        completions.append(completion)
    return completions
