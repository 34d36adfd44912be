"""Captions by the words that they share with the truth: BLEU and chrF, from sacrebleu (Post, 2018)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reelmill.eval.intervals import Interval, bootstrap, middle_of
from reelmill.eval.scores import Score
from reelmill.extras import extra

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU, BLEUScore

_CHINESE = re.compile("[\u3400-\u9fff]")
_BLEU_ROUNDS = 200
_PERCENT = 100.0


def wording_scores(said: Sequence[str], truths: Sequence[Sequence[str]]) -> tuple[Score, ...]:
    """`captions_bleu` of the whole and the mean `captions_chrf`, in [0, 1], with bootstrapped intervals.

    The intervals are ours: sacrebleu's own fail where a resample scores exactly 0.

    Raises:
        MissingExtraError: sacrebleu is not installed (extra `eval`).
    """
    if not said:
        return ()
    with extra("eval", purpose="BLEU and chrF of captions"):
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    chinese = any(_CHINESE.search(text) for each in truths for text in each)
    bleu, chrf = BLEU(tokenize="zh" if chinese else "13a"), CHRF()
    alone = [bleu.corpus_score([words], [[text] for text in each]) for words, each in zip(said, truths, strict=True)]
    shared = [[chrf.sentence_score(words, each).score / _PERCENT] for words, each in zip(said, truths, strict=True)]
    whole, mean, around = _together(bleu, alone), sum(map(sum, shared)) / len(shared), bootstrap(shared)
    spread = _bleu_interval(bleu, alone)
    return (
        Score("captions_bleu", whole, spread.low, spread.high, len(said)),
        Score("captions_chrf", mean, around.low, around.high, len(said)),
    )


def _bleu_interval(bleu: BLEU, alone: Sequence[BLEUScore]) -> Interval:
    rng = random.Random(0)
    return middle_of([_together(bleu, rng.choices(alone, k=len(alone))) for _ in range(_BLEU_ROUNDS)])


def _together(bleu: BLEU, alone: Sequence[BLEUScore]) -> float:
    """BLEU of all captions from the counts of each: it is no mean."""
    score = bleu.compute_bleu(
        correct=[sum(counts) for counts in zip(*(each.counts for each in alone), strict=True)],
        total=[sum(totals) for totals in zip(*(each.totals for each in alone), strict=True)],
        sys_len=sum(each.sys_len for each in alone),
        ref_len=sum(each.ref_len for each in alone),
    )
    return float(score.score) / _PERCENT
