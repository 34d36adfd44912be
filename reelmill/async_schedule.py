"""What is run again and again, for asyncio."""

from __future__ import annotations

import asyncio

from reelmill.async_batch import AsyncBatch
from reelmill.ledger.schedule_history import ScheduleRun
from reelmill.ledger.schedules import ScheduleView
from reelmill.schedule import Schedule


class AsyncSchedule:
    """As Schedule, each verb awaited; errors are the same."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    @property
    def name(self) -> str:
        """Unique."""
        return self._schedule.name

    async def info(self) -> ScheduleView:
        """The schedule as it stands."""
        return await asyncio.to_thread(lambda: self._schedule.info)

    async def history(self, limit: int = 20) -> tuple[ScheduleRun, ...]:
        """As `Schedule.history`."""
        return await asyncio.to_thread(self._schedule.history, limit)

    async def run_now(self) -> AsyncBatch:
        """As `Schedule.run_now`. Raises ScheduleBusyError."""
        return AsyncBatch(await asyncio.to_thread(self._schedule.run_now))

    async def pause(self) -> bool:
        """As `Schedule.pause`."""
        return await asyncio.to_thread(self._schedule.pause)

    async def resume(self) -> bool:
        """As `Schedule.resume`."""
        return await asyncio.to_thread(self._schedule.resume)

    async def remove(self) -> None:
        """As `Schedule.remove`."""
        await asyncio.to_thread(self._schedule.remove)

    def __repr__(self) -> str:
        return f"AsyncSchedule({self.name!r})"
