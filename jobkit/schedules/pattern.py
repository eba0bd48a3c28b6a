"""Six cron fields as tables, and the search for the next reading of a clock that matches them.

Nothing here knows of zones: a *reading* is what a clock shows, as seconds since
1970-01-01T00:00:00 on that clock.
"""

from __future__ import annotations

from typing import Final

from jobkit.schedules.base import DAY
from jobkit.schedules.days import NEVER_DAY, DayRule

#: For each value of a field, and for one past its last: the next value that matches, or -1.
Following = tuple[int, ...]
#: Readings from here on are never reached.
NEVER: Final = NEVER_DAY * DAY


class Pattern:
    """Which readings match; a subclass says what a reading has to do with an instant.

    The tables belong to the text of a field and are shared by all patterns that have that text.
    """

    __slots__ = ()

    _seconds: Following
    _minutes: Following
    _hours: Following
    _days: DayRule | None  # None: every day

    def _after(self, reading: int) -> int:
        """The first matching reading after *reading*; NEVER or more if the calendar ends before.

        Written out flat: this is the inner loop of every schedule.
        """
        reading += 1
        day, rest = divmod(reading, DAY)
        days = self._days
        if days is not None:
            start, end, waits, _ = days.window
            if not start <= day < end or waits[day - start]:
                match = days.following(day)
                if match != day:
                    return match * DAY + self._first()
        minute, second = divmod(rest, 60)
        hour, minute = divmod(minute, 60)
        hours = self._hours
        found = hours[hour]
        if found == hour:
            minutes = self._minutes
            found = minutes[minute]
            if found == minute:
                found = self._seconds[second]
                if found >= 0:
                    return reading - second + found
                found = minutes[minute + 1]
            if found >= 0:
                return reading - second + (found - minute) * 60 + self._seconds[0]
            found = hours[hour + 1]
        if found >= 0:
            return reading - rest + found * 3600 + self._minutes[0] * 60 + self._seconds[0]
        day += 1
        return (day if days is None else days.following(day)) * DAY + self._first()

    def _first(self) -> int:
        """The first matching second of a matching day."""
        return self._hours[0] * 3600 + self._minutes[0] * 60 + self._seconds[0]

    def _count(self, after: int, until: int) -> int:
        """How many matching readings lie after *after* and not after *until*."""
        if until <= after:
            return 0
        first_day, last_day = after // DAY, until // DAY
        per_day = _below(self._hours, 24) * _below(self._minutes, 60) * _below(self._seconds, 60)
        days = last_day - first_day if self._days is None else self._days.count(first_day, last_day - 1)
        return per_day * days + self._count_today(until) - self._count_today(after)

    def _count_today(self, reading: int) -> int:
        """How many matching readings the day of *reading* has up to *reading* itself."""
        day, rest = divmod(reading, DAY)
        if self._days is not None and self._days.following(day) != day:
            return 0
        minute, second = divmod(rest, 60)
        hour, minute = divmod(minute, 60)
        seconds, minutes, hours = self._seconds, self._minutes, self._hours
        per_minute = _below(seconds, 60)
        total = _below(hours, hour) * _below(minutes, 60) * per_minute
        if hours[hour] == hour:
            total += _below(minutes, minute) * per_minute
            if minutes[minute] == minute:
                total += _below(seconds, second + 1)
        return total


def _below(following: Following, limit: int) -> int:
    """How many values of a field are smaller than *limit*."""
    return sum(following[value] == value for value in range(limit))
