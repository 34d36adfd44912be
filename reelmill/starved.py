"""One line on what kept the GPU waiting, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reelmill.ledger.stages import BatchStages
from reelmill.ledger.views import BatchStatus

if TYPE_CHECKING:
    from reelmill.batch import Batch

ENOUGH_JOBS = 20
"""Of fewer jobs the first fetch and the last answer are most of the time."""
MOST_JOBS = 100_000
"""Of more jobs the view takes longer than a command should; `batch.stages` and SQL read it all the same."""
WORTH_A_WORD = 0.1
"""Starved for less of the time than this, the GPU is not starved."""
MORE_DECODERS = "raise REELMILL_DECODE_PROCESSES, as far as there are cores"
MORE_JOBS = "raise --concurrency"


def quick_stages(batch: Batch, counts: BatchStatus) -> BatchStages | None:
    """The stages of a batch, unless it has too many jobs to read them in passing."""
    return batch.stages if counts.succeeded <= MOST_JOBS else None


def starved(stages: BatchStages) -> str:
    """Like "GPU busy 31%, 1.2 jobs at a time · waited for decode 61% · fetch 5%: raise …"; empty for a few jobs."""
    if stages.jobs < ENOUGH_JOBS or stages.held_s <= 0:
        return ""
    shares = {
        "decode": stages.starved_by_decode_s,
        "fetch": stages.starved_by_fetch_s,
        "other": stages.starved_otherwise_s,
    }
    told = [f"{name} {share}" for name, seconds in shares.items() if (share := _percent(seconds, stages)) != "0%"]
    waited = f" · waited for {' · '.join(told)}" if told else ""
    busy = f"GPU busy {_percent(stages.gpu_busy_s, stages)}, {stages.jobs_at_once:.1f} jobs at a time"
    return f"{busy}{waited}: {_advice(stages)}"


def _advice(stages: BatchStages) -> str:
    """Jobs gather before the stage that holds the others up: that one is to be widened."""
    at_model = stages.vision_s + stages.prefill_s + stages.generate_s
    decode = (stages.starved_by_decode_s, stages.decode_s)
    fetch = (stages.starved_by_fetch_s, stages.fetch_s)
    if max(decode[0], fetch[0]) >= WORTH_A_WORD * stages.held_s:
        return MORE_DECODERS if decode >= fetch else MORE_JOBS
    if stages.wait_s >= max(at_model, stages.decode_s, stages.fetch_s) / 2:
        return "the model is the limit"
    if stages.decode_s > at_model and stages.decode_s >= stages.fetch_s:
        return f"it could take more at a time; {MORE_DECODERS}"
    return f"it could take more at a time; {MORE_JOBS}"


def _percent(seconds: float, stages: BatchStages) -> str:
    return f"{seconds / stages.held_s:.0%}"
