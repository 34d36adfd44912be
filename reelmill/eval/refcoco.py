"""Referring expressions as InternVL2's evaluation of RefCOCO, RefCOCO+ and RefCOCOg asks and reads them.

Its rules (internvl_chat/eval/refcoco/evaluate_grounding.py of the published repository): this prompt, the first four
numbers in brackets, thousandths unless their sum is below 4, and right means an overlap of at least a half. What cannot
be read is an empty box.
"""

from __future__ import annotations

import math
import re

from reelmill.eval.truth import Corners

REFCOCO_PROMPT = "Please provide the bounding box coordinate of the region this sentence describes: <ref>{phrase}</ref>"
"""Its script says "coordinate", where the model cards (and `Ground`) say "coordinates"."""
_FOUR = re.compile(r"\[+([^,\n]*),([^,\n]*),([^,\n]*),([^\]\n]*)\]")
"""As forgiving as the published one and no more: words in brackets before the numbers spoil them."""
_NOTHING: Corners = (0.0, 0.0, 0.0, 0.0)
_THOUSANDTHS_FROM = 4.0


def refcoco_prompt(phrase: str) -> str:
    """The question about one expression."""
    return REFCOCO_PROMPT.format(phrase=phrase)


def refcoco_box(answer: str, width: int, height: int) -> Corners:
    """The first box of an answer in pixels of a source of this size; empty where there is none."""
    found = _FOUR.search(answer)
    if found is None:
        return _NOTHING
    try:
        x1, y1, x2, y2 = (float(number) for number in found.groups())
    except ValueError:
        return _NOTHING
    if not math.isfinite(x1 + y1 + x2 + y2):
        return _NOTHING
    unit = 1000.0 if x1 + y1 + x2 + y2 >= _THOUSANDTHS_FROM else 1.0
    return (x1 / unit * width, y1 / unit * height, x2 / unit * width, y2 / unit * height)
