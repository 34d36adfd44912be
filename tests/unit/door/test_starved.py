"""One line says what kept the GPU waiting, and which knob to turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reelmill.ledger.stages import BatchStages
from reelmill.starved import MORE_DECODERS, MORE_JOBS, starved

NOTHING = BatchStages(40, 100.0, *[0.0] * 11, 0, 0, 0)


def stages(**seconds: float) -> BatchStages:
    return replace(NOTHING, **seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (
            stages(gpu_busy_s=31, starved_by_decode_s=61, starved_by_fetch_s=8, decode_s=300, generate_s=46.5),
            f"GPU busy 31%, 1.5 jobs at a time · waited for decode 61% · fetch 8%: {MORE_DECODERS}",
        ),
        (
            stages(gpu_busy_s=20, starved_by_fetch_s=78, starved_otherwise_s=2, fetch_s=300, generate_s=20),
            f"GPU busy 20%, 1.0 jobs at a time · waited for fetch 78% · other 2%: {MORE_JOBS}",
        ),
        (
            stages(gpu_busy_s=100, wait_s=400, generate_s=200, vision_s=100, decode_s=50),
            "GPU busy 100%, 3.0 jobs at a time: the model is the limit",
        ),
        # Never idle, but most jobs stand before the decoders: it gets them one by one.
        (
            stages(gpu_busy_s=96, starved_by_decode_s=4, decode_s=600, generate_s=100),
            f"GPU busy 96%, 1.0 jobs at a time · waited for decode 4%: it could take more at a time; {MORE_DECODERS}",
        ),
        (
            stages(gpu_busy_s=100, decode_s=50, generate_s=700),
            f"GPU busy 100%, 7.0 jobs at a time: it could take more at a time; {MORE_JOBS}",
        ),
        (replace(NOTHING, jobs=5, gpu_busy_s=31), ""),
        (replace(NOTHING, held_s=0.0), ""),
    ],
)
def test_the_line_names_the_shares_and_the_remedy(seen: BatchStages, says: str) -> None:
    assert starved(seen) == says
