"""From what is known to jobs that ask for it."""

from __future__ import annotations

from collections.abc import Sequence

from reelmill.eval.refcoco import refcoco_prompt
from reelmill.eval.truth import LabelledMedia, TrueAnswer, TrueBoxes, TrueCaption, TrueRegion
from reelmill.schema import Ask, Caption, Generation, Ground, JobSpec, Sampling, Task


def job_of(media: LabelledMedia, model: str, sampling: Sampling, generation: Generation) -> JobSpec:
    """One job that asks everything known of one media."""
    return JobSpec(media=media.uris, tasks=tuple(asked(media)), sampling=sampling, generation=generation, model=model)


def asked(media: LabelledMedia) -> Sequence[Task]:
    """The tasks: captions, questions, each conversation, phrases."""
    captions = [Caption(task.prompt) for task in media.tasks if isinstance(task, TrueCaption)]
    alone = [task.question for task in media.tasks if isinstance(task, TrueAnswer) and task.turn is None]
    alone += [refcoco_prompt(task.phrase) for task in media.tasks if isinstance(task, TrueRegion)]
    phrases = [task.phrase for task in media.tasks if isinstance(task, TrueBoxes)]
    return [
        *captions,
        *([Ask(*alone)] if alone else []),
        *(Ask(*questions, conversation=True) for questions in _conversations(media)),
        *([Ground(*phrases)] if phrases else []),
    ]


def _conversations(media: LabelledMedia) -> list[list[str]]:
    turns = [task for task in media.tasks if isinstance(task, TrueAnswer) and task.turn is not None]
    conversations: list[list[str]] = []
    for task in turns:
        if task.turn == 0:
            conversations.append([])
        conversations[-1].append(task.question)
    return conversations
