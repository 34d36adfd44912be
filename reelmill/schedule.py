"""What is run again and again, as a user holds it."""

from __future__ import annotations

from reelmill.batch import Batch
from reelmill.ledger import schedules
from reelmill.ledger.schedule_history import ScheduleRun, schedule_history
from reelmill.ledger.schedule_ticks import run_schedule_now
from reelmill.ledger.schedules import ScheduleView
from reelmill.mill import Mill


class Schedule:
    """A schedule. Every call asks the database: NotFoundError once it is removed, DatabaseUnavailableError."""

    def __init__(self, mill: Mill, name: str) -> None:
        self._mill = mill
        self._name = name

    @property
    def name(self) -> str:
        """Unique."""
        return self._name

    @property
    def info(self) -> ScheduleView:
        """The schedule as it stands: when it runs next, what its last run came to."""
        return schedules.schedule_view(self._mill.database, self._name)

    def history(self, limit: int = 20) -> tuple[ScheduleRun, ...]:
        """What became of each time that it was due, newest first: counts of its batch, or why it was skipped."""
        return schedule_history(self._mill.database, self._name, most=limit)

    def run_now(self) -> Batch:
        """Start a run at once, also while it is paused; the times that come are not touched.

        Raises:
            ScheduleBusyError: the last batch is not done, and the schedule refuses overlap.
        """
        return Batch(self._mill, run_schedule_now(self._mill.database, self._name))

    def pause(self) -> bool:
        """Start no run until it is resumed; what runs goes on. False when it is paused already."""
        return schedules.pause_schedule(self._mill.database, self._name)

    def resume(self) -> bool:
        """Go on with the next time that comes; a pause misses nothing. False when it was not paused."""
        return schedules.resume_schedule(self._mill.database, self._name)

    def remove(self) -> None:
        """Forget the schedule and its history; its batches and their results stay."""
        schedules.remove_schedule(self._mill.database, self._name)

    def __repr__(self) -> str:
        return f"Schedule({self._name!r})"
