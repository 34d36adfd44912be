"""An answer as a line for people."""

from __future__ import annotations

from reelmill.schema import AnswerResult

SHOWN_CHOICES = 4


def answer_line(answer: AnswerResult) -> str:
    """What was said; how likely each choice was, the likeliest first; or why there is no value."""
    if answer.problem is not None:
        return f"{answer.problem}: {answer.generated.raw_text}".strip(": ")
    if answer.probabilities is None:
        return answer.text
    likeliest = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])[:SHOWN_CHOICES]
    return f"{answer.text} ({', '.join(f'{choice} {likely:.0%}' for choice, likely in likeliest)})"
