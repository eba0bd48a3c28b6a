"""Which days match: one rule per day-of-month, month and weekday, shared by all schedules with it.

Days are *epoch days*: whole days since 1970-01-01. A year is one of fourteen kinds (leap or not,
first weekday), so a rule needs at most fourteen tables, made when a year of that kind is reached.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import date
from typing import Final

from jobkit.schedules.base import DAY, FIRST_SECOND, LAST_SECOND
from jobkit.schedules.fields import FieldValues

FIRST_DAY: Final = FIRST_SECOND // DAY
LAST_DAY: Final = LAST_SECOND // DAY
#: An epoch day that never comes.
NEVER_DAY: Final = 1 << 40
#: In a table: no further match in this year.
_NONE_LEFT: Final = 0xFFFF
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_LENGTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
#: Multiplied with a seven-bit pattern: the pattern five times in a row.
_FIVE_WEEKS: Final = sum(1 << 7 * week for week in range(5))

#: First epoch day of a year, first of the next, days to wait from each day on, and the year.
Window = tuple[int, int, "array[int]", int]


class DayRule:
    """The days that a schedule may fire on.

    Cron's rule for two restricted day fields: if neither starts with ``*``, a day matches that
    **either** accepts; otherwise **both** must accept it.
    """

    __slots__ = ("_either", "_monthdays", "_months", "_tables", "_weekdays", "window")

    def __init__(self, monthdays: FieldValues, months: FieldValues, weekdays: FieldValues) -> None:
        self._monthdays = monthdays
        self._months = months
        self._weekdays = weekdays
        self._either = not (monthdays.starred or weekdays.starred)
        self._tables: dict[tuple[bool, int], array[int]] = {}
        # The year asked about last. Replaced as a whole, so that threads see one or the other.
        self.window: Window = (0, 0, array("H"), 0)

    def following(self, day: int) -> int:
        """The first matching day that is *day* or later; NEVER_DAY if the calendar ends before."""
        start, end, waits, year = self.window
        if not start <= day < end:
            if day > LAST_DAY:
                return NEVER_DAY
            day = max(day, FIRST_DAY)
            start, end, waits, year = self._open(date.fromordinal(day + _EPOCH_ORDINAL).year)
        wait = waits[day - start]
        while wait == _NONE_LEFT:
            if year == 9999:
                return NEVER_DAY
            year, start = year + 1, end
            leap = _is_leap(year)
            end = start + 365 + leap
            waits = self._table(leap, (start + 3) % 7)
            wait, day = waits[0], start
        self.window = (start, end, waits, year)
        return day + wait

    def count(self, first: int, last: int) -> int:
        """How many days from *first* to *last*, both included, match."""
        total = 0
        day, last = max(first, FIRST_DAY), min(last, LAST_DAY)
        while day <= last:
            start, end, waits, _ = self._open(date.fromordinal(day + _EPOCH_ORDINAL).year)
            total += waits[day - start : min(last + 1, end) - start].count(0)
            day = end
        return total

    def matches_every_day(self) -> bool:
        """Whether there is no day that does not match."""
        full = (len(self._monthdays.plain) == 31, len(self._weekdays.plain) == 7)
        return len(self._months.plain) == 12 and (any(full) if self._either else all(full))

    def ever_matches(self) -> bool:
        """Whether any day at all matches: 30 February does not."""
        return any(
            next(self._matches(leap, first), None) is not None for leap in (True, False) for first in range(7)
        )

    def _open(self, year: int) -> Window:
        start = date(year, 1, 1).toordinal() - _EPOCH_ORDINAL
        leap = _is_leap(year)
        self.window = window = (start, start + 365 + leap, self._table(leap, (start + 3) % 7), year)
        return window

    def _table(self, leap: bool, first_weekday: int) -> array[int]:
        """For each day of such a year, how many days it is to the next match (0 = that day)."""
        table = self._tables.get((leap, first_weekday))
        if table is None:
            table = array("H", [_NONE_LEFT]) * (365 + leap)
            done = 0
            for match in self._matches(leap, first_weekday):
                table[done : match + 1] = array("H", range(match - done, -1, -1))
                done = match + 1
            self._tables[leap, first_weekday] = table
        return table

    def _matches(self, leap: bool, first_weekday: int) -> Iterator[int]:
        """The matching days of such a year, counted from 0; *first_weekday* 0 is a Monday."""
        start = 0
        for month, usual in enumerate(_LENGTHS, 1):
            length = usual + (leap and month == 2)
            if month in self._months.plain:
                # Cron counts weekdays from Sunday.
                days = self._month(length, (first_weekday + start + 1) % 7)
                while days:
                    lowest = days & -days
                    yield start + lowest.bit_length() - 1
                    days ^= lowest
            start += length

    def _month(self, length: int, first: int) -> int:
        """The matching days of one month as bits, the 1st lowest; *first* is its first weekday."""
        by_date = self._dates(length, first)
        by_weekday = self._weekdays_of(length, first)
        return by_date | by_weekday if self._either else by_date & by_weekday

    def _dates(self, length: int, first: int) -> int:
        rule = self._monthdays
        days = sum(1 << day - 1 for day in rule.plain if day <= length)
        if rule.last_day:
            days |= 1 << length - 1
        if rule.nearest is not None and rule.nearest <= length:
            days |= 1 << _nearest_working_day(rule.nearest, length, first) - 1
        return days

    def _weekdays_of(self, length: int, first: int) -> int:
        rule = self._weekdays
        if not rule.nth:
            week = sum(1 << (weekday - first) % 7 for weekday in rule.plain)
            return week * _FIVE_WEEKS & (1 << length) - 1
        days = 0
        for weekday, which in rule.nth:
            earliest = 1 + (weekday - first) % 7
            day = earliest + 7 * ((which or (length - earliest) // 7 + 1) - 1)
            if day <= length:
                days |= 1 << day - 1
        return days


def _nearest_working_day(day: int, length: int, first: int) -> int:
    """Monday to Friday nearest to *day* within the month; *first* is the weekday of the 1st."""
    weekday = (first + day - 1) % 7
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
