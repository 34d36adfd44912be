"""Captions by the words that they share with the truth: BLEU and chrF, from sacrebleu (Post, 2018)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reelmill.eval.intervals import ROUNDS
from reelmill.eval.scores import Score
from reelmill.extras import extra

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

_CHINESE = re.compile("[\u3400-\u9fff]")


def wording_scores(said: Sequence[str], truths: Sequence[Sequence[str]]) -> tuple[Score, ...]:
    """`captions_bleu` and `captions_chrf` of the whole, in [0, 1], with bootstrapped intervals; none of nothing.

    Raises:
        MissingExtraError: sacrebleu is not installed (extra `eval`).
    """
    if not said:
        return ()
    with extra("eval", purpose="BLEU and chrF of captions"):
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    most = max(map(len, truths))
    # An empty reference is none to sacrebleu.
    references = [[each[place] if place < len(each) else "" for each in truths] for place in range(most)]
    tokenizer = "zh" if any(_CHINESE.search(text) for each in truths for text in each) else "13a"
    metrics = {"captions_bleu": BLEU(tokenize=tokenizer), "captions_chrf": CHRF()}
    return tuple(_score(name, metric, said, references) for name, metric in metrics.items())


def _score(name: str, metric: Metric, said: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    found = metric.corpus_score(said, references, n_bootstrap=ROUNDS if len(said) > 1 else 1)
    told = json.loads(found.format(width=4, signature=str(metric.get_signature()), is_json=True))
    value, half = found.score / 100, told.get("confidence_var", 0.0) / 100
    middle = told.get("confidence_mean", found.score) / 100
    return Score(name, value, max(0.0, middle - half), min(1.0, middle + half), len(said))
