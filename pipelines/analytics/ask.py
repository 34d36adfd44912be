"""Ask: independent questions about a segment, or the turns of one conversation; free, of a schema, or of choices."""

from __future__ import annotations

import json

from pipelines.analytics.dialogue import Dialogue
from pipelines.analytics.forms import observed
from pipelines.analytics.plain_words import plain_words
from pipelines.analytics.prompts import about, in_form
from pipelines.analytics.scene import Scene
from pipelines.model.types import ChatRequest, VisualInput, Weighed
from reelmill.schema import AnswerResult, Ask

History = tuple[tuple[str, str], ...]


def ask(task_index: int, task: Ask, scene: Scene) -> Dialogue[AnswerResult]:
    """Ask the task's questions: all at once, or each turn with the ones before as its history."""
    if task.conversation:
        return (yield from _converse(task_index, task, scene))
    each = [_requests(task, about(scene, in_form(task, question)), scene.visual) for question in task.questions]
    completions = yield [request for requests in each for request in requests]
    share = len(each[0])
    return [
        observed(scene.segment.ordinal, task_index, ordinal, task, completions[ordinal * share : (ordinal + 1) * share])
        for ordinal in range(len(each))
    ]


def _converse(task_index: int, task: Ask, scene: Scene) -> Dialogue[AnswerResult]:
    history: History = ()
    results = []
    for turn, text in enumerate(task.questions):
        question = in_form(task, text)
        question = about(scene, question) if turn == 0 else plain_words(question)
        completions = yield _requests(task, question, scene.visual, history)
        results.append(observed(scene.segment.ordinal, task_index, turn, task, completions))
        history = (*history, (question, plain_words(results[-1].text)))
    return results


def _requests(task: Ask, question: str, visual: VisualInput | None, history: History = ()) -> list[ChatRequest]:
    """One request, or where there are choices one for each of them."""
    if task.choices is not None:
        return [
            ChatRequest(question, visual, history, weighed=Weighed(choice, task.choices)) for choice in task.choices
        ]
    schema = None if task.json_schema is None else json.dumps(task.json_schema, ensure_ascii=False)
    return [ChatRequest(question, visual, history, json_schema=schema)]
