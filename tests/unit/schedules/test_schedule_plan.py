"""Which of several overdue times become a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reelmill.cron import Cron
from reelmill.ledger.schedule_plan import LATE_S, MOST_TICKS, plan_ticks
from reelmill.schema.schedule import CatchUp

HOURLY = Cron("@hourly")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("policy", CatchUp)
def test_a_run_that_is_due_runs_whatever_the_policy(policy: CatchUp) -> None:
    plan = plan_ticks(HOURLY, FIRST, FIRST + timedelta(seconds=7), policy)
    assert (plan.run, plan.missed, plan.next_run_at) == (FIRST, (), FIRST + HOUR)


def test_latest_runs_the_latest_however_late_and_misses_the_others() -> None:
    plan = plan_ticks(HOURLY, FIRST, FIRST + 2.9 * HOUR, CatchUp.LATEST)
    assert (plan.run, plan.missed, plan.next_run_at) == (FIRST + 2 * HOUR, (FIRST, FIRST + HOUR), FIRST + 3 * HOUR)


def test_none_misses_all_but_one_that_is_hardly_late() -> None:
    late, hardly = timedelta(seconds=LATE_S + 1), timedelta(seconds=LATE_S)
    plan = plan_ticks(HOURLY, FIRST, FIRST + HOUR + late, CatchUp.NONE)
    assert (plan.run, plan.missed, plan.next_run_at) == (None, (FIRST, FIRST + HOUR), FIRST + 2 * HOUR)
    plan = plan_ticks(HOURLY, FIRST, FIRST + HOUR + hardly, CatchUp.NONE)
    assert (plan.run, plan.missed) == (FIRST + HOUR, (FIRST,))


def test_all_runs_one_after_the_other_oldest_first() -> None:
    plan = plan_ticks(HOURLY, FIRST, FIRST + 9 * HOUR, CatchUp.ALL)
    assert (plan.run, plan.missed, plan.next_run_at) == (FIRST, (), FIRST + HOUR)


def test_years_of_minutes_are_dealt_with_in_bounded_steps_and_end_with_one_run() -> None:
    cron, now = Cron("* * * * *"), FIRST + timedelta(minutes=2.5 * MOST_TICKS)
    first, missed = FIRST, 0
    for _ in range(2):
        plan = plan_ticks(cron, first, now, CatchUp.LATEST)
        assert plan.run is None
        first, missed = plan.next_run_at, missed + len(plan.missed)
    plan = plan_ticks(cron, first, now, CatchUp.LATEST)
    assert plan.run == now
    assert missed + len(plan.missed) == 2.5 * MOST_TICKS
