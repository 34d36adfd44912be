"""When a schedule is due: a cron expression in a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from reelmill.errors import CronError, UnknownTimezoneError

FIELDS = 5
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields (or a nickname like @daily) that follows the clocks of a time zone.

    Where clocks change it does what Debian's cron does. An expression with a fixed minute and hour is run once a day:
    right after a skipped hour, and the first time in a doubled one. One whose minute or hour begins with a star follows
    the time that passes: nothing falls into a skipped hour, a doubled hour is run twice.

    Raises:
        CronError: not an expression, or one that never comes.
        UnknownTimezoneError: not the name of a time zone.
    """

    expression: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        zone(self.timezone)
        self.next_after(datetime.now(UTC))

    @property
    def description(self) -> str:
        """The expression in English: `At 02:00 every day`."""
        return CronSim(self._plain, datetime.now(UTC)).explain()

    def next_after(self, moment: datetime) -> datetime:
        """The first time that is due after this moment, in UTC."""
        return next(self.after(moment))

    def due(self, first: datetime, now: datetime, most: int) -> tuple[datetime, ...]:
        """Everything from `first` (itself due) to `now`, but no more than the `most` earliest; in UTC, rising."""
        later = (tick for tick in islice(self.after(first), most - 1))
        return (first.astimezone(UTC), *_up_to(now, later))

    def after(self, moment: datetime) -> Iterator[datetime]:
        """What is due after this moment, without end, in UTC and rising."""
        last = moment.astimezone(UTC)
        try:
            for tick in CronSim(self._plain, moment.astimezone(zone(self.timezone))):
                # In a doubled hour the expression starts from the first pass, which may have gone by already. Compared
                # in UTC, because times of one zone are compared by what their clocks show.
                if (found := tick.astimezone(UTC)) > last:
                    yield (last := found)
        except CronSimError as error:
            message = str(error).lower()
            raise CronError(message, subject=self.expression) from None
        raise CronError("no day in the next fifty years is like this", subject=self.expression)

    @property
    def _plain(self) -> str:
        plain = NICKNAMES.get(self.expression.strip().lower(), self.expression)
        if (count := len(plain.split())) != FIELDS:
            raise CronError(f"has {count} fields instead of {FIELDS}", subject=self.expression)
        return plain


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The time zone of this name; raises UnknownTimezoneError."""
    # Checked first: as a key, a path or an upper-case name means different things on different machines.
    if name not in available_timezones():
        alike = [known for known in available_timezones() if known.lower() == name.lower()]
        step = f"Did you mean {alike[0]!r}?" if alike else ""
        raise UnknownTimezoneError("there is no such time zone", subject=name, next_step=step)
    return ZoneInfo(name)


def _up_to(now: datetime, ticks: Iterator[datetime]) -> Iterator[datetime]:
    for tick in ticks:
        if tick > now:
            return
        yield tick
