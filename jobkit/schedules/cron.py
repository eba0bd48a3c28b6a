"""Six-field cron expressions, and what they mean when the clock is changed.

- An **interval job** – its minute or hour field starts with ``*`` – matches what the clock shows
  at every real instant: nothing is invented in a gap, and both passes of an overlap run.
- A **fixed-time job** – every other – runs once for each reading of the clock: in an overlap the
  first time only; a reading that is skipped by a gap of up to three hours is made up for at the
  first instant after the gap, several at once; a longer gap is not made up for.

The rule is that of Vixie's cron and its successors.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from jobkit.schedules.base import (
    DAY,
    EPOCH,
    FIRST_SECOND,
    LAST_SECOND,
    EpochSchedule,
    from_epoch,
    not_an_instant,
    to_epoch,
)
from jobkit.schedules.pattern import NEVER, Pattern
from jobkit.schedules.reading import read_expression
from jobkit.schedules.zones import FAR, LONGEST_GAP, Stretch, Zone, find_zone

_SECOND: Final = timedelta(seconds=1)


class CronSchedule(EpochSchedule, Pattern):
    """Fires by a six-field cron expression, seconds first, on the clock of one zone.

    *timezone* is an IANA name; *name* – the job's – seeds ``H``. Raises ScheduleError, and nothing
    else, for whatever is not accepted. Immutable, compared by what was written, safe to share
    between threads; takes a few microseconds to make and under 300 bytes to keep.
    """

    __slots__ = ("_days", "_fixed", "_hours", "_minutes", "_seconds", "_zone", "expression", "name")

    #: The six fields; *text* is what was written, which for an alias is something else.
    expression: str
    name: str

    def __init__(self, expression: str, timezone: str = "UTC", *, name: str = "") -> None:
        self._seconds, self._minutes, self._hours, self._days, self._fixed = read_expression(expression, name)
        self._zone = find_zone(timezone)
        self.text = self.expression = expression
        self.timezone = timezone
        self.name = name

    @property
    def fixed_time(self) -> bool:
        """Whether this is a fixed-time job, which runs once for each reading of the clock."""
        return self._fixed

    def next_after(self, instant: datetime) -> datetime | None:
        """The first fire strictly later than the aware *instant*, in UTC, or None."""
        try:
            since = instant - EPOCH
            second = since.days * DAY + since.seconds
        except (TypeError, AttributeError):
            raise not_an_instant(instant) from None
        found = self.next_epoch(second)
        return None if found is None else EPOCH + found * _SECOND

    def next_epoch(self, second: int) -> int | None:
        """The first fire after epoch second *second*, or None if there is none."""
        if second < FIRST_SECOND:
            second = FIRST_SECOND - 1
        zone = self._zone
        if zone is None:
            found = self._after(second)
            return found if found <= LAST_SECOND else None
        start, end, offset, shown_before = stretch = zone.window
        if not start <= second < end:
            zone.window = start, end, offset, shown_before = stretch = zone.stretch(second)
        reading = second + offset
        if self._fixed:
            if reading < shown_before:
                reading = shown_before
            found = self._after(reading) - offset
            if found >= end:
                found = self._beyond_fixed(zone, found + offset)
        else:
            found = self._after(reading) - offset
            if found >= end:
                found = self._beyond_interval(zone, second, stretch)
        return found if found <= LAST_SECOND else None

    def _beyond_fixed(self, zone: Zone, reading: int) -> int:
        """The instant of matching *reading*, which lies beyond the stretch that was searched."""
        while reading < NEVER:
            instant, gap = zone.place(reading)
            if gap <= LONGEST_GAP:
                return instant
            # Skipped for good; go on with what the clock shows after the gap.
            reading = self._after(instant + zone.stretch(instant)[2] - 1)
        return NEVER

    def _beyond_interval(self, zone: Zone, second: int, stretch: Stretch) -> int:
        """The first instant after *second* with a matching reading, stretch by stretch."""
        while True:
            _, end, offset, _ = stretch
            reading = self._after(second + offset)
            if reading >= NEVER:
                return NEVER
            if reading - offset < end:
                return reading - offset
            # More than two days on, no change of the clock can bring an earlier reading back: what
            # was not found up to *reading* is not found until shortly before it.
            leap = reading - FAR - 1
            second = leap if end - second > FAR and leap > end else end - 1
            stretch = zone.stretch(second + 1)

    def count(self, after: int, until: int) -> int:
        """How many fires lie after *after* and not after *until*; quick, however many there are."""
        after, until = max(after, FIRST_SECOND - 1), min(until, LAST_SECOND)
        if until <= after:
            return 0
        zone = self._zone
        if zone is None:
            return self._count(after, until)
        counted = self._count_fixed if self._fixed else self._count_interval
        return counted(zone, after, until)

    def _count_interval(self, zone: Zone, after: int, until: int) -> int:
        total = 0
        while after < until:
            # A stretch may begin before the last one ended: at an edge that is no change.
            _, end, offset, _ = zone.stretch(after + 1)
            last = min(until, end - 1)
            total += self._count(after + offset, last + offset)
            after = last
        return total

    def _count_fixed(self, zone: Zone, after: int, until: int) -> int:
        first, last = zone.stretch(after), zone.stretch(until)
        # What the clock had shown by then: in the second pass of an overlap more than it shows.
        total = self._count(max(after + first[2], first[3]), max(until + last[2], last[3]))
        before = first[2]
        while after < until:
            start, end, offset, _ = zone.stretch(after + 1)
            if offset > before:
                total -= self._lost_in_gap(start + before, start + offset)
            before, after = offset, end - 1
        return total

    def _lost_in_gap(self, skipped: int, resumed: int) -> int:
        """By how much the fires of a gap are fewer than its readings, *resumed* itself included."""
        readings = self._count(skipped - 1, resumed - 1)
        if resumed - skipped > LONGEST_GAP or readings == 0:
            return readings
        return readings - 1 + self._count(resumed - 1, resumed)

    def note(self, instant: datetime) -> str | None:
        """Why the fire at *instant* was made up or is a repetition; None for an ordinary one."""
        from jobkit.schedules.words import made_up, repeated

        second = to_epoch(instant)
        zone = self._zone
        if zone is None or from_epoch(second) != instant or self.next_epoch(second - 1) != second:
            return None
        start, _, offset, shown_before = zone.stretch(second)
        if not self._fixed:
            return repeated(second + offset) if second + offset <= shown_before else None
        before = zone.stretch(start - 1)[2]
        if second != start or not 0 < offset - before <= LONGEST_GAP:
            return None
        gap = (start + before, start + offset)
        skipped = self._count(gap[0] - 1, gap[1] - 1)
        if not skipped:
            return None
        own = self._count(gap[1] - 1, gap[1]) == 1
        return made_up(self._after(gap[0] - 1), skipped, gap, own=own)

    def describe(self) -> str:
        """The schedule in words: ``at 03:00 every day (Europe/Berlin)``."""
        from jobkit.schedules.words import in_words

        return f"{in_words(self.expression, self.name)} ({self.timezone})"

    def warnings(self) -> tuple[str, ...]:
        """A remark where both day fields are restricted, whose rule is easily forgotten."""
        from jobkit.schedules.words import day_rule_remark

        remark = day_rule_remark(self.expression)
        return () if remark is None else (remark,)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CronSchedule):
            return NotImplemented
        return (self.expression, self.timezone, self.name) == (other.expression, other.timezone, other.name)

    def __hash__(self) -> int:
        return hash((self.expression, self.timezone, self.name))

    def __reduce__(self) -> tuple[object, ...]:
        # The tables and the zone are made anew where it is unpickled or copied.
        return _restored, (self.text, self.expression, self.timezone, self.name)


def _restored(text: str, expression: str, timezone: str, name: str) -> CronSchedule:
    schedule = CronSchedule(expression, timezone, name=name)
    schedule.text = text
    return schedule
