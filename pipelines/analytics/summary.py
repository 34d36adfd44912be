"""What the captions of a video's parts come to: one text, by the language model alone.

Captions that do not fit into one prompt are summed up in groups of neighbours first, and then their summaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.analytics.dialogue import Dialogue, generated
from pipelines.analytics.plain_words import plain_words
from pipelines.analytics.prompts import SUMMARY_PART_PROMPT, SUMMARY_PROMPT, SUMMARY_WORDS
from pipelines.errors import ContextExceededError
from pipelines.model.types import ChatRequest, Completion
from reelmill.schema import Caption, CaptionResult, Generated, SegmentResult, SummaryResult

ASSUMED_CONTEXT_TOKENS = 4096
"""Of a server that does not say: less than any InternVL is served with."""
TEMPLATE_TOKENS = 160
"""What stands around a user's turn: the system's message and markup."""
BYTES_PER_TOKEN = 2
"""Of text whose tokens nobody has counted. Models take 3 to 4; too many small prompts are better than one too long."""


@dataclass(frozen=True, slots=True)
class Told:
    """A stretch of a video and what was said of it. `tokens` is what that costs in a prompt, its times included."""

    start_s: float
    end_s: float
    text: str
    tokens: int

    @property
    def line(self) -> str:
        """Without its number."""
        return _line(self.start_s, self.end_s, self.text)


def told(captions: Sequence[CaptionResult], segments: Sequence[SegmentResult], task: int) -> tuple[Told, ...]:
    """The captions of a task in the order of time; none of images, which have no times."""
    words = {row.segment: row.generated for row in captions if row.task == task}
    return tuple(
        _told(segment.start_s, segment.end_s, said.text, said.output_tokens)
        for segment in segments
        if (said := words.get(segment.ordinal)) and segment.start_s is not None and segment.end_s is not None
    )


def prompt_room(context_tokens: int, max_new_tokens: int) -> int:
    """Tokens of a prompt that leave room for the answer: all that was asked for, or a quarter of a small window."""
    window = context_tokens or ASSUMED_CONTEXT_TOKENS
    return window - min(max_new_tokens, window // 4) - TEMPLATE_TOKENS


def least_room(task: Caption, parts: Sequence[Told]) -> int:
    """Tokens of a prompt that holds any two of these parts."""
    return _tokens(_asked(task)) + 2 * max(part.tokens for part in parts)


def summarise(task_index: int, task: Caption, parts: Sequence[Told], room: int) -> Dialogue[SummaryResult]:
    """Ask for the summary of what was told of a video's parts.

    Args:
        room: tokens that a prompt may have.

    Raises:
        ContextExceededError: not even two neighbours fit into one prompt.
    """
    asked = _asked(task)
    said: list[Completion] = []
    level = tuple(parts)
    while len(groups := _groups(level, room - _tokens(asked))) > 1:
        if len(groups) == len(level):
            raise ContextExceededError(
                f"two captions and an answer do not fit into the {max(room, 0)} tokens of a prompt that sums them up",
                next_step="Ask for fewer max_new_tokens, or for a summary by a model with a longer window",
            )
        completions = yield [_request(group, SUMMARY_PART_PROMPT) for group in groups if len(group) > 1]
        said.extend(completions)
        answers = iter(completions)
        level = tuple(_summed(group, next(answers)) if len(group) > 1 else group[0] for group in groups)
    (last,) = yield [_request(level, asked)]
    said.append(last)
    return [SummaryResult(task_index, len(parts), len(said), _with_all_tokens(said))]


def _asked(task: Caption) -> str:
    return task.summary if isinstance(task.summary, str) else SUMMARY_PROMPT


def _groups(parts: Sequence[Told], room: int) -> list[list[Told]]:
    """Neighbours, as many together as have room."""
    groups: list[list[Told]] = []
    left = 0
    for part in parts:
        if not groups or part.tokens > left:
            groups.append([])
            left = room
        groups[-1].append(part)
        left -= part.tokens
    return groups


def _request(parts: Sequence[Told], asked: str) -> ChatRequest:
    lines = "\n".join(f"{number}. {part.line}" for number, part in enumerate(parts, 1))
    return ChatRequest(SUMMARY_WORDS.format(parts=lines, asked=plain_words(asked)))


def _summed(group: Sequence[Told], completion: Completion) -> Told:
    return _told(group[0].start_s, group[-1].end_s, completion.text, completion.output_tokens)


def _told(start_s: float, end_s: float, text: str, output_tokens: int) -> Told:
    # Names of turns and pictures in a model's words are no more markup than in a user's.
    words = plain_words(" ".join(text.split()))
    around = len(_line(start_s, end_s, "").encode()) + len("1000. ")
    return Told(start_s, end_s, words, around + (output_tokens or _tokens(words)))


def _tokens(text: str) -> int:
    return len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + 1


def _line(start_s: float, end_s: float, text: str) -> str:
    return f"[{_clock(start_s)} - {_clock(end_s)}] {text}"


def _clock(seconds: float) -> str:
    """As people write it: 1:02:03, tenths where there are some."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    whole = f"{rest // 10:02}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02}:{whole}" if hours else f"{minutes}:{whole}"


def _with_all_tokens(said: Sequence[Completion]) -> Generated:
    """The last answer, with what all of them cost."""
    prompt_tokens = sum(each.prompt_tokens for each in said)
    output_tokens = sum(each.output_tokens for each in said)
    return replace(generated(said[-1]), prompt_tokens=prompt_tokens, output_tokens=output_tokens)
