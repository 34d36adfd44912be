"""All tasks of a job, asked of one backend together, so that they share batches and encodings."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from pipelines.analytics.ask import ask
from pipelines.analytics.caption import caption
from pipelines.analytics.dialogue import Dialogue
from pipelines.analytics.ground import ground
from pipelines.analytics.scene import Scene
from pipelines.analytics.summary import least_room, prompt_room, summarise, told
from pipelines.cancellation import Cancellation
from pipelines.errors import ContextExceededError
from pipelines.model.types import Backend, ChatRequest, Completion
from reelmill.schema import (
    AnswerResult,
    Ask,
    Caption,
    CaptionResult,
    Generation,
    Ground,
    GroundingResult,
    SegmentResult,
    SummaryResult,
    Task,
)


@dataclass(frozen=True, slots=True)
class Observations:
    """What was said, and the wall seconds of the slowest request; where rounds follow each other, of each the slowest.

    So the four times are parts of one path through the interview and add up to its length.
    """

    captions: tuple[CaptionResult, ...]
    answers: tuple[AnswerResult, ...]
    groundings: tuple[GroundingResult, ...]
    wait_s: float
    vision_s: float
    prefill_s: float
    generate_s: float
    summaries: tuple[SummaryResult, ...] = ()


class Interview:
    """Puts the tasks of one job to a backend."""

    def __init__(self, backend: Backend, generation: Generation, cancellation: Cancellation) -> None:
        self._backend = backend
        self._generation = generation
        self._cancellation = cancellation
        self._slowest: list[Completion] = []
        """Of each round; a round lasts as long as it."""

    def run(self, tasks: Sequence[Task], scenes: Sequence[Scene]) -> Observations:
        """Ask every task of every scene, in rounds; a round's requests are in flight together.

        Raises:
            PipelineError: of the first request that failed; the others are cancelled.
        """
        return self._observed([_dialogue(index, task, scene) for scene in scenes for index, task in enumerate(tasks)])

    def sum_up(
        self, tasks: Sequence[Task], segments: Sequence[SegmentResult], captions: Sequence[CaptionResult]
    ) -> Observations:
        """Ask for the summaries of these captions that the tasks want.

        A server that says nothing of its window, or counts otherwise, may refuse a prompt as too long: then all is
        asked again in shorter ones, down to two captions each.

        Raises:
            ContextExceededError: two captions are too long for one prompt.
            PipelineError: as `run`.
        """
        wanted = [(index, task) for index, task in enumerate(tasks) if isinstance(task, Caption) and task.summary]
        asked = [(index, task, parts) for index, task in wanted if (parts := told(captions, segments, index))]
        room = prompt_room(self._backend.info.context_tokens, self._generation.max_new_tokens)
        while True:
            try:
                return self._observed([summarise(index, task, parts, room) for index, task, parts in asked])
            except ContextExceededError:
                room //= 2
                if room < max(least_room(task, parts) for _, task, parts in asked):
                    raise

    def _observed(self, dialogues: list[Dialogue[Any]]) -> Observations:
        found = self._hold(dialogues)
        return Observations(
            captions=tuple(row for row in found if isinstance(row, CaptionResult)),
            answers=tuple(row for row in found if isinstance(row, AnswerResult)),
            groundings=tuple(row for row in found if isinstance(row, GroundingResult)),
            wait_s=sum(slowest.wait_s for slowest in self._slowest),
            vision_s=sum(slowest.vision_s for slowest in self._slowest),
            prefill_s=sum(slowest.prefill_s for slowest in self._slowest),
            generate_s=sum(slowest.generate_s for slowest in self._slowest),
            summaries=tuple(row for row in found if isinstance(row, SummaryResult)),
        )

    def _hold(self, dialogues: list[Dialogue[Any]]) -> list[Any]:
        found: list[Any] = []
        rounds = [(dialogue, next(dialogue)) for dialogue in dialogues]
        while rounds:
            answers = iter(self._answer([request for _, requests in rounds for request in requests]))
            following = []
            for dialogue, requests in rounds:
                try:
                    following.append((dialogue, dialogue.send([next(answers) for _ in requests])))
                except StopIteration as end:
                    found.extend(end.value)
            rounds = following
        return found

    def _answer(self, requests: list[ChatRequest]) -> list[Completion]:
        futures: list[Future[Completion]] = []
        try:
            for request in requests:
                self._cancellation.check()
                futures.append(
                    self._backend.submit(replace(request, generation=self._generation, cancellation=self._cancellation))
                )
            completions = [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        self._slowest.append(max(completions, key=_seconds))
        return completions


def _seconds(completion: Completion) -> float:
    return completion.wait_s + completion.vision_s + completion.prefill_s + completion.generate_s


def _dialogue(index: int, task: Task, scene: Scene) -> Dialogue[Any]:
    match task:
        case Caption():
            return caption(index, task, scene)
        case Ask():
            return ask(index, task, scene)
        case Ground():
            return ground(index, task, scene)
