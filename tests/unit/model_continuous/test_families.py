"""Every language model of the cards says through the shared cache what the published reference said."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks._golden import GoldenCase
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.continuous.engine import ContinuousEngine
from pipelines.model.internvl import InternVL

from .conftest import CASE, PATIENCE_S, budget

CASES = sorted(path.parent for path in CASE.parent.glob("*/model.safetensors"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_recorded_conversations_together_give_their_ids(case: Path) -> None:
    model = InternVL(load_checkpoint(str(case), dtype="float32", device="cpu"), past_window=True)
    golden = GoldenCase(case)
    # In the published batches the longest prompt decides on the rope of all.
    alone = [name for name, facts in golden.conversations.items() if facts["call"] == "chat"]
    rows = [row for name in alone for row in golden.rows(name)]
    engine = ContinuousEngine(model, budget=budget(cache_tokens=16384))
    futures = [engine.submit(row.request()) for row in rows]
    for row, future in zip(rows, futures, strict=True):
        assert future.result(PATIENCE_S).token_ids == row.generated_ids, row.conversation
    engine.close()
