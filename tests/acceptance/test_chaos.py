"""Everything at once, seeded: the bench of `python -m benchmarks chaos`, for as long as a test may take."""

from __future__ import annotations

import pytest

from benchmarks.chaos.bench import Plan, run_plan
from benchmarks.chaos.faults import ALL

# Convicting a job that kills its workers takes four of them and most of a minute.
FAULTS = tuple(fault.name for fault in ALL if fault.name != "job_kills_worker")


@pytest.mark.timeout(600)
def test_under_mixed_faults_nothing_is_lost_doubled_or_misattributed() -> None:
    account = run_plan(Plan(seed=7, seconds=20, jobs=300, workers=2, faults=FAULTS))
    assert account.holds, account.problems
    assert account.jobs == sum(account.states.values()) > 0
    assert account.faults
