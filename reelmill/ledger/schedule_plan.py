"""Which of the times that are due become a run: the policy alone, without a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reelmill.cron import Cron
from reelmill.schema.schedule import CatchUp

MOST_TICKS = 10_000
"""Looked at in one go, a fraction of a second; a schedule that was left alone for longer takes several rounds."""
LATE_S = 300.0
"""Housekeeping may restart without any run counting as missed."""


@dataclass(frozen=True, slots=True)
class TickPlan:
    """What to do with the times that are due.

    Attributes:
        run: the one that becomes a run, if any.
        missed: those that are noted as skipped, rising.
        next_run_at: the first that is not dealt with; it may be due as well.
    """

    run: datetime | None
    missed: tuple[datetime, ...]
    next_run_at: datetime


def plan_ticks(cron: Cron, first: datetime, now: datetime, catch_up: CatchUp) -> TickPlan:
    """Deal with what came due from `first` (which is due) to `now`."""
    if catch_up is CatchUp.ALL:
        return TickPlan(first, (), cron.next_after(first))
    *earlier, last = cron.due(first, now, MOST_TICKS)
    next_run_at = cron.next_after(last)
    too_late = catch_up is CatchUp.NONE and (now - last).total_seconds() > LATE_S
    # Still due means that a later one is the latest.
    if next_run_at <= now or too_late:
        return TickPlan(None, (*earlier, last), next_run_at)
    return TickPlan(last, tuple(earlier), next_run_at)
