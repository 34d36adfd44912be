"""Whether an answer has run into a loop: the same tokens again and again until the last token it may say.

Only exact repetition counts, of one period, up to the end, and much of it: numbered lists, tables of boxes and verses
with a changing word are no loops, nor is a line of dashes or dots of any usual length.
"""

from __future__ import annotations

from collections.abc import Sequence

LOOP_TOKENS = 256
LOOP_CHARACTERS = 1024
LOOP_ROUNDS = 8
"""A loop is so long, and goes round so often: what is longer than 1/8 of it has to last longer."""
LONGEST_PERIOD = 128
EVERY_TOKENS = 16
"""Looked for only at answers of a multiple of this length; engines that look at all of them end in the same place."""


def loops(ids: Sequence[int]) -> bool:
    """Whether the answer so far ends in a loop; cheap enough for every token."""
    if len(ids) < LOOP_TOKENS or len(ids) % EVERY_TOKENS:
        return False
    return _ends_in_loop(list(ids[-LOOP_ROUNDS * LONGEST_PERIOD :]), LOOP_TOKENS, LONGEST_PERIOD)


def text_loops(text: str) -> bool:
    """The same of a text, where a server does not tell its tokens; for answers that were cut off."""
    longest = LONGEST_PERIOD * LOOP_CHARACTERS // LOOP_TOKENS
    return _ends_in_loop(text.rstrip()[-LOOP_ROUNDS * longest :], LOOP_CHARACTERS, longest)


def _ends_in_loop(said: Sequence[object], least: int, longest_period: int) -> bool:
    for period in range(1, longest_period + 1):
        span = max(least, LOOP_ROUNDS * period)
        if span > len(said):
            return False
        # A look at the last ones alone rules out nearly every period.
        if said[-1] == said[-1 - period] and said[-span:-period] == said[-span + period :]:
            return True
    return False
