"""What a file's outcome counts as."""

from __future__ import annotations

from typing import Literal

from benchmarks.hostile.cases import Case
from benchmarks.hostile.mill import Seen

Outcome = Literal["right_frames", "typed_error", "counted_damage", "unseen_damage", "untyped", "wrong_frames"]


def outcome(case: Case, seen: Seen) -> Outcome:
    """`unseen_damage`: a changed file decodes to other pictures without any decoder's objection.

    Formats without checksums have changes that nobody can tell from the intended picture.
    """
    if seen.problem or seen.secret:
        return "untyped"
    if seen.code:
        return "wrong_frames" if case.expect == "frames" else "typed_error"
    if case.expect == "error":
        return "wrong_frames"
    if _right(case, seen):
        return "right_frames"
    if case.expect == "frames":
        return "wrong_frames"
    return "counted_damage" if seen.decode_errors else "unseen_damage"


def _right(case: Case, seen: Seen) -> bool:
    if case.truth == "any":
        return True
    if case.truth == "numbers":
        return bool(seen.numbers) and all(index == number for index, number in seen.numbers)
    return seen.coloured
