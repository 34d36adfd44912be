"""Whether an answer is right: exactly, after VQA's normalisation, or by edit distance for what is read.

The normalisation is that of the VQA evaluation as it is described at https://visualqa.org/evaluation.html (Antol et
al., 2015): lower case, no full stops but in decimals, number words as digits, no articles, no commas inside numbers,
other punctuation as space. Contractions lose their apostrophe on both sides, which is as good as giving it to both.
ANLS is that of ST-VQA (Biten et al., 2019).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

ANLS_THRESHOLD = 0.5
"""An answer that is further from the truth than half of its letters is worth nothing."""
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: str(number) for number, word in enumerate(_WORDS)} | {"none": "0"}
_ARTICLES = frozenset({"a", "an", "the"})
_APOSTROPHES = re.compile(r"[’'`´]")
_INSIDE_NUMBERS = re.compile(r"(?<=\d),(?=\d)")
_FULL_STOPS = re.compile(r"(?<!\d)\.|\.(?!\d)")


def normalise_answer(answer: str) -> str:
    """ "The Red circle." is "red circle", "Two" is "2", "1,000" is "1000"; full-width letters become plain ones."""
    plain = unicodedata.normalize("NFKC", answer).lower()
    for pattern in (_APOSTROPHES, _INSIDE_NUMBERS, _FULL_STOPS):
        plain = pattern.sub("", plain)
    spaced = "".join(" " if _separates(letter) else letter for letter in plain)
    return " ".join(_NUMBERS.get(word, word) for word in spaced.split() if word not in _ARTICLES)


def same_answer(truths: Iterable[str], answer: str) -> bool:
    """Whether it is one of these once all are normalised."""
    said = normalise_answer(answer)
    return any(normalise_answer(truth) == said for truth in truths)


def same_text(truths: Iterable[str], answer: str) -> bool:
    """Exactly right: nothing but space around is forgiven."""
    return any(truth.strip() == answer.strip() for truth in truths)


def anls(truths: Iterable[str], answer: str) -> float:
    """1 for the truth, less for every letter that is off, 0 from half of them on; of several truths the closest."""
    return max((_similarity(_folded(truth), _folded(answer)) for truth in truths), default=0.0)


def _separates(letter: str) -> bool:
    return letter not in ".:" and unicodedata.category(letter)[0] in "PS"


def _folded(text: str) -> str:
    return " ".join(text.lower().split())


def _similarity(one: str, two: str) -> float:
    longest = max(len(one), len(two))
    distance = edit_distance(one, two) / longest if longest else 0.0
    return 1.0 - distance if distance < ANLS_THRESHOLD else 0.0


def edit_distance(one: str, two: str) -> int:
    """Letters to insert, delete or replace (Levenshtein)."""
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        above = row
        row = [i]
        for j, b in enumerate(two, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b)))
    return row[-1]
