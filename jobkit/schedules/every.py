"""``every 5m``: elapsed time on a grid that starts at the Unix epoch, whatever clocks show."""

from __future__ import annotations

from datetime import timedelta

from jobkit.durations import format_duration, parse_duration
from jobkit.schedules.base import DAY, FIRST_SECOND, LAST_SECOND, EpochSchedule, ScheduleKind
from jobkit.schedules.reading import printable
from jobkit.schedules.refusal import refused, shown
from jobkit.schedules.zones import find_zone


class EverySchedule(EpochSchedule):
    """Fires at every multiple of *seconds* since 1970-01-01T00:00:00Z, in each process alike."""

    __slots__ = ("seconds",)

    def __init__(self, text: str, seconds: int, timezone: str = "UTC") -> None:
        super().__init__(text, timezone)
        self.seconds = seconds

    def next_epoch(self, second: int) -> int | None:
        """The first fire after *second*."""
        fire = (max(second, FIRST_SECOND - 1) // self.seconds + 1) * self.seconds
        return fire if fire <= LAST_SECOND else None

    def count(self, after: int, until: int) -> int:
        """How many fires lie after *after* and not after *until*."""
        after, until = max(after, FIRST_SECOND - 1), min(until, LAST_SECOND)
        return max(0, until // self.seconds - after // self.seconds)

    def describe(self) -> str:
        """``every 2h30m, counted from 1970-01-01T00:00:00Z``."""
        return f"every {format_duration(timedelta(seconds=self.seconds))}, counted from 1970-01-01T00:00:00Z"


def parse_every(text: str, timezone: str, name: str) -> EverySchedule:
    """The schedule that ``every 30s`` means; ScheduleError (JK310) for another text."""
    words = printable(text, "a schedule").split(None, 1)
    find_zone(timezone)
    try:
        duration = parse_duration(words[1]) if len(words) == 2 else timedelta(0)
    except ValueError:
        duration = timedelta(0)
    if duration < timedelta(seconds=1) or duration.microseconds:
        raise refused(
            "JK310",
            f"`{shown(text)}` has no duration of whole seconds, one at least",
            "write `every 30s`, `every 5m`, `every 2h30m` or `every 1d`",
        )
    return EverySchedule(text, duration.days * DAY + duration.seconds, timezone)


EVERY = ScheduleKind("every", parse_every, "a duration: `every 30s`, `every 5m`, `every 2h30m`")
